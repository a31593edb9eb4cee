"""The objects that are created for one attempt: a Job or a JobSet, its Secret, its headless Service.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/ and, for JobSet,
https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/.
"""

import base64
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from facejobs.errors import ExitCode
from facejobs.jobs.backends import kubernetes_names as names
from facejobs.jobs.backends.base import HIDDEN
from facejobs.jobs.backends.kubernetes_job import ClusterJob
from facejobs.jobs.backends.kubernetes_pod import CONTAINER, pod_template

Manifest = dict[str, Any]


class Kind(NamedTuple):
    """A kind of object that runs a version's pods, and how the API knows it."""

    name: str
    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """As a manifest says it."""
        return f"{self.group}/{self.version}"


JOB = Kind("Job", "batch", "v1", "jobs")
JOBSET = Kind("JobSet", "jobset.x-k8s.io", "v1alpha2", "jobsets")


def kind_of(job: ClusterJob) -> Kind:
    """The kind of object that runs it."""
    return JOBSET if job.jobset else JOB


def workload(job: ClusterJob, namespace: str) -> Manifest:
    """The Job or JobSet, suspended: no pod starts before its Secret and its Service are there."""
    kind = kind_of(job)
    metadata = {
        "name": job.name,
        "namespace": namespace,
        "labels": {**job.labels, names.MANAGED_BY: "facejobs"},
        "annotations": names.annotations(job.url),
    }
    spec = _jobset_spec(job) if job.jobset else {**_job_spec(job), "suspend": True, **_ended(job)}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}


def _ended(job: ClusterJob) -> dict[str, Any]:
    return {"ttlSecondsAfterFinished": job.options.ttl}


def _job_spec(job: ClusterJob) -> dict[str, Any]:
    nodes = job.spec.resources.nodes
    return {
        "completionMode": "Indexed",
        "completions": nodes,
        "parallelism": nodes,
        **_limits(job),
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _set_rules() if job.jobset else _rules()},
        "template": pod_template(job),
    }


def _limits(job: ClusterJob) -> dict[str, int]:
    """How many pods may fail. Tasks that train together fail together, which is one failure and not one of each."""
    if job.jobset:
        return {"backoffLimit": 0}
    if job.spec.resources.nodes == 1:
        return {"backoffLimit": job.spec.retries}
    return {"backoffLimitPerIndex": job.spec.retries, "maxFailedIndexes": 0}


# A task that stopped and saved, and those that end because they have lost it, are no failures of their own.
_UNCOUNTED = (ExitCode.WORKER_LOST, ExitCode.STOPPED)


def _rules() -> list[dict[str, Any]]:
    """A time limit ends the job; a pod that was taken away, or saved and ended, is replaced without being counted."""
    return [_on_exit("FailJob", ExitCode.TIME_LIMIT), _on_disruption("Ignore"), _on_exit("Ignore", *_UNCOUNTED)]


def _set_rules() -> list[dict[str, Any]]:
    """What ends the Job of a JobSet for a reason of its own, so that the set is begun anew without being counted."""
    return [_on_disruption("FailJob"), _on_exit("FailJob", *_UNCOUNTED)]


def _on_exit(action: str, *codes: ExitCode) -> dict[str, Any]:
    values = sorted(map(int, codes))
    return {"action": action, "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": values}}


def _on_disruption(action: str) -> dict[str, Any]:
    return {"action": action, "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def _jobset_spec(job: ClusterJob) -> dict[str, Any]:
    """One Job in a set: where it ends, all of its pods are made anew together."""
    uncounted = {
        "name": "takenAway",
        "action": "RestartJobSetAndIgnoreMaxRestarts",
        "onJobFailureReasons": ["PodFailurePolicy"],
    }
    return {
        "suspend": True,
        **_ended(job),
        "network": {"enableDNSHostnames": True, "subdomain": job.name, "publishNotReadyAddresses": True},
        "failurePolicy": {"maxRestarts": job.spec.retries, "rules": [uncounted]},
        "replicatedJobs": [{"name": names.REPLICATED_JOB, "replicas": 1, "template": {"spec": _job_spec(job)}}],
    }


def owner_of(created: Manifest) -> Manifest:
    """The reference by which an object goes when its Job goes."""
    metadata = created["metadata"]
    return {
        "apiVersion": created["apiVersion"],
        "kind": created["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def service(job: ClusterJob, namespace: str, owner: Manifest | None = None) -> Manifest | None:
    """The headless Service by which tasks of several nodes find each other; a JobSet makes its own."""
    if job.jobset or job.spec.resources.nodes == 1:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _owned(job, namespace, owner),
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": job.labels},
    }


def secret(
    job: ClusterJob, namespace: str, values: Mapping[str, str] | None = None, owner: Manifest | None = None
) -> Manifest | None:
    """The Secret with the values of its variables; without `values` it is shown, not made."""
    if not job.makes_secret:
        return None
    shown = dict.fromkeys(job.secrets, HIDDEN)
    data = (
        {"stringData": shown}
        if values is None
        else {"data": {name: base64.b64encode(os.fsencode(values[name])).decode() for name in job.secrets}}
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _owned(job, namespace, owner),
        "type": "Opaque",
        "immutable": True,
        **data,
    }


def _owned(job: ClusterJob, namespace: str, owner: Manifest | None) -> Manifest:
    labels = {**job.labels, names.MANAGED_BY: "facejobs"}
    metadata: Manifest = {"name": job.name, "namespace": namespace, "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return metadata


def manifests(job: ClusterJob, namespace: str) -> list[Manifest]:
    """All objects as `facejobs plan` shows them: with the names of secrets, without their values."""
    shown = (workload(job, namespace), secret(job, namespace), service(job, namespace))
    return [item for item in shown if item is not None]
