"""Jobs in a Kubernetes cluster: an Indexed Job, or a JobSet, whose pods run the boot contract.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

import contextlib
import time
from collections.abc import Iterator

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.backends import kubernetes_names as names
from facejobs.jobs.backends.base import Plan, QueuedJob
from facejobs.jobs.backends.kubernetes_cluster import Cluster
from facejobs.jobs.backends.kubernetes_diagnosis import is_over, why_no_pods
from facejobs.jobs.backends.kubernetes_errors import ClusterRefusedError, ClusterUnreachableError
from facejobs.jobs.backends.kubernetes_job import ClusterJob
from facejobs.jobs.backends.kubernetes_log import LogFollower, stored_lines
from facejobs.jobs.backends.kubernetes_manifest import (
    JOB,
    JOBSET,
    Kind,
    Manifest,
    kind_of,
    owner_of,
    secret,
    service,
    workload,
)
from facejobs.jobs.backends.kubernetes_options import KubernetesOptions
from facejobs.jobs.backends.kubernetes_plan import make_plan
from facejobs.jobs.backends.kubernetes_state import Observation, Verdict, ended_as, judge
from facejobs.jobs.backends.kubernetes_watch import watch_pods
from facejobs.jobs.backends.local_plan import store_url
from facejobs.jobs.backends.native import NativeJob, read_native, write_native
from facejobs.jobs.backends.resuming import require_resumable
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import heard_of
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, read_status, record
from facejobs.jobs.version_record import version_name
from facejobs.jobs.versions import VersionFolder

__all__ = ["KubernetesBackend", "KubernetesOptions"]

_KINDS = {kind.name: kind for kind in (JOB, JOBSET)}
# What a cluster needs beyond the time that the pods are given, to see that they have ended.
_STOP_SECONDS = 60.0


class KubernetesBackend:
    """The backend `kubernetes`."""

    name = "kubernetes"

    def __init__(self, options: KubernetesOptions | None = None) -> None:
        self.options = options or KubernetesOptions()

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """The exact objects that `submit` would create; JobError for a kubeconfig that cannot be used.

        The cluster is only asked whether it has JobSet, for several nodes where `jobset` is not said.
        """
        cluster = Cluster(self.options)
        url = store_url(folder_url) if folder_url else f"STORE/jobs/{spec.name}/{version_name(1)}"
        return make_plan(self._job(cluster, spec, url, 1), cluster.namespace, store_known=folder_url is not None)

    def submit(self, version: VersionFolder) -> None:
        """Create the Job of a version that has not run yet."""
        if read_native(version.store) is not None:
            raise JobError(f"{version} was submitted already; it is {self.state(version)}")
        self._start(version, Cluster(self.options), attempt=1)

    def resume(self, version: VersionFolder) -> None:
        """A new Job for what FAILED, was STOPPED or LOST; JobError in any other state.

        A version that was claimed and never started, because its submit was killed, is started.
        """
        status, native = read_status(version.store), read_native(version.store)
        state = self.state(version)
        require_resumable(version, state, submitted=native is not None)
        cluster = self._cluster(native)
        if native is not None:
            self._clear(cluster, native)
        attempt = max(status.attempt, native.attempt if native else 0) + 1
        record(version.store, State.PENDING, attempt=attempt)
        try:
            self._start(version, cluster, attempt)
        except ClusterRefusedError as error:
            if error.code != 409:
                self._failed_to_start(version, error)
            raise
        except (FacejobsError, OSError) as error:
            self._failed_to_start(version, error)
            raise

    def state(self, version: VersionFolder) -> State:
        """Its state, as the cluster and its task say it; what is found to have ended in the cluster is recorded."""
        native = read_native(version.store)
        if native is None:
            return judge(read_status(version.store), Observation(None, [])).state
        try:
            verdict = self._judge(version, native)
        except JobError as error:
            status = read_status(version.store)
            silent = isinstance(error, ClusterUnreachableError) and heard_of(version.store)
            if status.state.ended or silent:
                return status.state
            raise
        if verdict.reason:
            record(version.store, verdict.state, verdict.reason, verdict.exit_code)
        return verdict.state

    def logs(self, version: VersionFolder, follow: bool = False) -> Iterator[str]:
        """Lines of its log so far; with `follow` also those to come, until the version has ended."""
        native, status = read_native(version.store), read_status(version.store)
        if native is None or (status.state is State.COMPLETED and not follow):
            yield from stored_lines(version.store)
            return
        try:
            cluster = self._cluster(native)
            follower = LogFollower(version.store, cluster, _selector(native), lambda: self.state(version).ended)
        except JobError:
            if not status.state.ended:
                raise
            yield from stored_lines(version.store)
            return
        yield from follower.lines(follow)

    def stop(self, version: VersionFolder, kill: bool = False) -> None:
        """Ask its pods to save and end, or with `kill` end them now; returns when they have, and the Job is gone."""
        native, state = read_native(version.store), self.state(version)
        if state.ended or native is None:
            raise JobError(f"{version} is {state}: there is nothing to stop")
        cluster = self._cluster(native)
        kind, name = _identity(native)
        cluster.delete(kind, name, wait_for_pods=not kill)
        if kill:
            for pod in cluster.pods(_selector(native)).items:
                cluster.kill_pod(pod["metadata"]["name"])
        grace = ClusterJob(version.record.spec, self.options, version.url, name).grace_period
        self._wait_for_end(cluster, native, _STOP_SECONDS + (0 if kill else grace))
        if not read_status(version.store).state.ended:
            code = 128 + 9 if kill else int(ExitCode.STOPPED)
            record(version.store, State.STOPPED, "killed on request" if kill else "stopped on request", code)

    def list(self) -> list[QueuedJob]:
        """The Jobs of facejobs in the namespace that have not ended."""
        cluster = Cluster(self.options)
        found = []
        for kind, item in cluster.workloads():
            if ended_as(item) is None:
                found.append(_queued(kind, item))
        return sorted(found, key=lambda job: (job.job, job.version, job.id))

    def _cluster(self, native: NativeJob | None) -> Cluster:
        """The cluster, in the namespace that the version was sent to."""
        return Cluster(self.options, native.place.rpartition("/namespaces/")[2] if native else None)

    def _job(self, cluster: Cluster, spec: JobSpec, url: str, attempt: int) -> ClusterJob:
        jobset = self.options.jobset
        several = spec.resources.nodes > 1
        if several and jobset is None:
            try:
                jobset = cluster.has_jobset()
            except ClusterUnreachableError as error:
                raise ClusterUnreachableError(f"{error}; -o jobset=true or false plans without asking it") from None
        return ClusterJob(spec, self.options, url, names.run_name(url), attempt, several and bool(jobset))

    def _start(self, version: VersionFolder, cluster: Cluster, attempt: int) -> None:
        pinned = version.record.pinned_image
        spec = version.record.spec.changed(image=pinned) if pinned else version.record.spec
        job = self._job(cluster, spec, store_url(version.url), attempt)
        plan = make_plan(job, cluster.namespace)
        if plan.impossible:
            raise JobError("the cluster cannot run the job: " + "; ".join(plan.impossible))
        values = job.secret_values() if job.makes_secret else {}
        native = NativeJob(
            backend=self.name, id=f"{kind_of(job).name}/{job.name}", place=cluster.place, attempt=attempt
        )
        write_native(version.store, native)
        _create(cluster, job, values)

    def _judge(self, version: VersionFolder, native: NativeJob) -> Verdict:
        cluster = self._cluster(native)
        kind, name = _identity(native)
        found = cluster.get(kind, name)
        if found is None and cluster.place != native.place:
            raise JobError(
                f"{cluster.place} has no {native.id}; {version} was sent to {native.place}: "
                "choose that cluster with KUBECONFIG, or as the current context"
            )
        pods = cluster.pods(_selector(native)).items
        waits = found is not None and not pods and ended_as(found) is None
        no_pods = why_no_pods(cluster.warnings_of(name)) if waits else None
        verdict = judge(read_status(version.store), Observation(found, pods, no_pods))
        if verdict.hopeless:
            cluster.delete(kind, name, wait_for_pods=False)
        return verdict

    def _clear(self, cluster: Cluster, native: NativeJob) -> None:
        """Remove the Job of the attempt before, and wait until none of its pods is left that could write."""
        kind, name = _identity(native)
        cluster.delete(kind, name, wait_for_pods=False)
        self._wait_for_end(cluster, native, _STOP_SECONDS)

    def _wait_for_end(self, cluster: Cluster, native: NativeJob, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for pods in watch_pods(cluster, _selector(native), every=5):
            left = [pod for pod in pods if not is_over(pod)]
            if not left:
                return
            if time.monotonic() > deadline:
                nodes = sorted({pod["spec"].get("nodeName") or "no node" for pod in left})
                raise JobError(
                    f"pods of {native.id} are still there after {seconds:.0f} s, on {', '.join(nodes)}; "
                    "if those are gone for good, `facejobs stop --kill` ends the job"
                )

    def _failed_to_start(self, version: VersionFolder, error: Exception) -> None:
        with contextlib.suppress(FacejobsError, OSError):
            record(version.store, State.FAILED, f"could not be started: {error}")


def _create(cluster: Cluster, job: ClusterJob, values: dict[str, str]) -> None:
    """All objects of an attempt, or none: the Job first, which owns the others, begun when they are there."""
    kind = kind_of(job)
    created = cluster.create(kind, workload(job, cluster.namespace))
    try:
        owner = owner_of(created)
        if body := secret(job, cluster.namespace, values, owner):
            cluster.create_secret(body)
        if body := service(job, cluster.namespace, owner):
            cluster.create_service(body)
        cluster.start(kind, job.name)
    except BaseException:
        with contextlib.suppress(JobError):
            cluster.delete(kind, job.name, wait_for_pods=False)
        raise


def _identity(native: NativeJob) -> tuple[Kind, str]:
    """The kind and the name of the object in `native.id`."""
    kind, _, name = native.id.partition("/")
    if kind not in _KINDS or not name:
        raise JobError(f"{native.id!r} is no Job or JobSet: backend.json of the version is damaged")
    return _KINDS[kind], name


def _selector(native: NativeJob) -> str:
    """The label selector of its pods."""
    run = _identity(native)[1].rpartition("-")[0]
    return f"{names.RUN}={run},{names.ATTEMPT}={native.attempt}"


def _queued(kind: Kind, item: Manifest) -> QueuedJob:
    metadata, status = item["metadata"], item.get("status", {})
    told = metadata.get("annotations", {})
    counts = status if kind is JOB else next(iter(status.get("replicatedJobsStatus") or []), {})
    active, ready = counts.get("active") or 0, counts.get("ready") or 0
    native = "suspended" if item.get("spec", {}).get("suspend") else f"{active} active, {ready} ready"
    if metadata.get("deletionTimestamp"):
        native = "ending"
    return QueuedJob(
        f"{kind.name}/{metadata['name']}",
        told.get(names.JOB, ""),
        told.get(names.VERSION, ""),
        State.RUNNING if ready else State.PENDING,
        native,
        told.get(names.URL, ""),
    )
