"""Jobs on a Slurm cluster, by its own commands: sbatch, squeue, scontrol, scancel, and sacct where there is one."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.backends.base import Plan, QueuedJob
from facejobs.jobs.backends.contract import require_secrets
from facejobs.jobs.backends.first_task_log import log_lines, stored_log
from facejobs.jobs.backends.local_plan import store_url
from facejobs.jobs.backends.native import NativeJob, read_native, write_native
from facejobs.jobs.backends.resuming import require_resumable
from facejobs.jobs.backends.slurm_commands import SlurmAbsentError, asked, explain, slurm
from facejobs.jobs.backends.slurm_ends import end_of
from facejobs.jobs.backends.slurm_options import SlurmOptions
from facejobs.jobs.backends.slurm_plan import OUTPUT, comment_of, job_name, make_plan, make_script, passed_environment
from facejobs.jobs.backends.slurm_queries import SlurmJob, cluster_name, find_job, queued_jobs, url_of
from facejobs.jobs.boot.attempts import next_attempt
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import effective_state, heard_of
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, read_status, record
from facejobs.jobs.versions import VersionFolder
from facejobs.storage.errors import NotFoundError
from facejobs.storage.url import is_remote

_POLL_SECONDS = 1.0
_ASK_EVERY_SECONDS = 3.0
# How long a job that was asked to end may take to save and to upload.
_STOP_SECONDS = 1800.0
_KILL_SECONDS = 180.0
# Longer than sbatch takes to answer.
_SENDING_SECONDS = 60.0


class SlurmBackend:
    """The backend `slurm`."""

    name = "slurm"

    def __init__(self, options: SlurmOptions | None = None) -> None:
        self.options = options or SlurmOptions()
        self._seen: dict[str, tuple[float, SlurmJob]] = {}

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """The batch script, tried by `sbatch --test-only`: what Slurm would refuse is impossible."""
        plan = make_plan(spec, folder_url, self.options)
        if plan.impossible:
            return plan
        try:
            done = slurm(["sbatch", "--test-only", "--export=ALL"], str(plan.request), passed_environment(spec))
        except SlurmAbsentError as error:
            plan.impossible.append(str(error))
        else:
            if done.returncode != 0:
                plan.impossible.append(explain("sbatch", done.stderr))
        return plan

    def submit(self, version: VersionFolder) -> None:
        """Send a version that has not run yet to Slurm; returns when it is in the queue."""
        if self._native(version) is not None:
            raise JobError(f"{version} was submitted already")
        self._send(version, attempt=1)

    def resume(self, version: VersionFolder) -> None:
        """Send again what FAILED, was STOPPED or LOST; JobError in any other state."""
        state = self.state(version)
        require_resumable(version, state, submitted=self._native(version) is not None)
        attempt = next_attempt(read_status(version.store))
        record(version.store, State.PENDING, attempt=attempt)
        try:
            self._send(version, attempt)
        except (FacejobsError, OSError) as error:
            with contextlib.suppress(FacejobsError, OSError):
                record(version.store, State.FAILED, f"could not be started: {error}")
            raise

    def _send(self, version: VersionFolder, attempt: int) -> None:
        spec, url = version.record.spec, store_url(version.url)
        require_secrets(spec.secrets)
        place = self._cluster
        if not is_remote(url):
            # Slurm makes no folder for its output: without it the job would end at once.
            Path(url, OUTPUT).parent.mkdir(parents=True, exist_ok=True)
        script = make_script(spec, url, self.options, version.record.pinned_image)
        # The environment is exact: with --export=NAMES Slurm would add what the login shell on the node sets.
        answer = asked(["sbatch", "--parsable", "--export=ALL"], str(script), passed_environment(spec))
        number = answer.strip().splitlines()[-1].partition(";")[0]
        try:
            write_native(version.store, NativeJob(backend=self.name, id=number, place=place, attempt=attempt))
        except BaseException:
            slurm(["scancel", number])
            raise

    def state(self, version: VersionFolder) -> State:
        """Its state; an end that only Slurm knows of is recorded."""
        status = read_status(version.store)
        if status.state.ended:
            return status.state
        try:
            native = self._native(version)
            job = self._recent_job(version, native) if native else None
        except SlurmAbsentError:
            # Slurm's silence, which took a while, says nothing about the job; one that waits gives no sign of life.
            status = read_status(version.store)
            return effective_state(status, version.store) if status.state is State.RUNNING else status.state
        if native is None:
            return effective_state(status, version.store)
        if job is not None and job.active:
            return State.PENDING if job.waiting else status.state
        # The task may have recorded its end after the first look.
        status = read_status(version.store)
        if status.state.ended or (job is None and heard_of(version.store)):
            return status.state
        if status.state is State.PENDING and native.attempt < status.attempt and _just_recorded(status):
            # Somebody sends it again at this moment; the job that has ended is the one of the attempt before.
            return status.state
        return self._record_end(version, status, native, job)

    def _record_end(self, version: VersionFolder, status: Status, native: NativeJob, job: SlurmJob | None) -> State:
        if job is None:
            where = f" of the cluster {native.place}" if native.place else ""
            reason = f"Slurm knows the job {native.id}{where} no more, and nobody recorded how it ended"
            return record(version.store, State.LOST, reason).state
        state, reason, code = end_of(job, status)
        return record(version.store, state, reason, code).state

    def _native(self, version: VersionFolder) -> NativeJob | None:
        """Where the version was sent; found by its comment if the submit died before it could say so."""
        native = read_native(version.store)
        if native is None:
            url = store_url(version.url)
            with contextlib.suppress(SlurmAbsentError):
                found = [job for job in queued_jobs() if job.url == url]
                if found:
                    native = NativeJob(backend=self.name, id=found[-1].id, place=self._cluster)
                    write_native(version.store, native)
        return native

    def _recent_job(self, version: VersionFolder, native: NativeJob) -> SlurmJob | None:
        """The version's job as it stood a moment ago, so that whoever follows many jobs is no burden for Slurm."""
        when, job = self._seen.get(native.id, (0.0, None))
        if job is not None and time.monotonic() - when < _ASK_EVERY_SECONDS:
            return job
        job = self._job(version, native)
        if job is not None and job.active:
            self._seen[native.id] = (time.monotonic(), job)
        return job

    @cached_property
    def _cluster(self) -> str:
        return cluster_name()

    def _job(self, version: VersionFolder, native: NativeJob) -> SlurmJob | None:
        """The version's job; None if Slurm has forgotten it. SlurmAbsentError also for another cluster's Slurm."""
        if native.place and self._cluster != native.place:
            raise SlurmAbsentError(f"{version} was sent to the cluster {native.place}; this is {self._cluster}")
        job = find_job(native.id)
        if job is None or _is_of(job, version):
            return job
        # Numbers begin anew when a controller has lost its files.
        return None

    def logs(self, version: VersionFolder, follow: bool = False) -> Iterator[str]:
        """Lines of the first task's log; Slurm's own output if that task never began."""
        began, read = False, partial(stored_log, version.store)
        for line in log_lines(read, lambda: self.state(version).ended, follow, _POLL_SECONDS):
            began = True
            yield line
        if not began:
            yield from self._slurm_output(version).splitlines()

    def _slurm_output(self, version: VersionFolder) -> str:
        """What the batch script said, where its file can be read from here."""
        with contextlib.suppress(NotFoundError):
            return version.store.read(OUTPUT).decode(errors="replace")
        with contextlib.suppress(JobError, OSError):
            native = read_native(version.store)
            job = self._job(version, native) if native else None
            if job is not None and job.output:
                return Path(job.output).read_text(errors="replace")
        return ""

    def stop(self, version: VersionFolder, kill: bool = False) -> None:
        """Ask it to save and end, or with `kill` end it now; returns when it has ended. JobError if it had before."""
        state = self.state(version)
        if state.ended:
            raise JobError(f"{version} is {state}: there is nothing to stop")
        native = self._native(version)
        if native is None:
            raise JobError(f"{version} was never sent to Slurm; facejobs resume {version} sends it")
        job = self._job(version, native)
        if kill or job is None or job.waiting:
            self._cancel(version, native)
            waited = job is not None and job.waiting
            reason = "stopped while it waited in Slurm's queue" if waited else "killed on request"
            self._ensure_stopped(version, reason, ExitCode.STOPPED if waited else 128 + 9)
            return
        # To the batch script only: it tells the tasks why, and is not put into the queue again.
        order, sent = ["scancel", "--quiet", "--batch", "--signal=USR2", native.id], False
        deadline = time.monotonic() + _STOP_SECONDS
        while self._lives(version, native):
            # A job whose nodes are just being prepared takes no signal.
            sent = sent or slurm(order).returncode == 0
            if time.monotonic() > deadline:
                self._cancel(version, native)
                self._ensure_stopped(version, f"killed: it did not end within {_STOP_SECONDS:g} s", 128 + 9)
                return
            time.sleep(_POLL_SECONDS)
        self._ensure_stopped(version, "stopped on request", ExitCode.STOPPED)

    def _lives(self, version: VersionFolder, native: NativeJob) -> bool:
        job = self._job(version, native)
        return job is not None and job.active

    def _cancel(self, version: VersionFolder, native: NativeJob) -> None:
        """End it at once, without the time that Slurm gives to a job that is cancelled; returns when it is gone."""
        slurm(["scancel", "--quiet", "--full", "--signal=KILL", native.id])
        slurm(["scancel", "--quiet", native.id])
        deadline = time.monotonic() + _KILL_SECONDS
        while self._lives(version, native):
            if time.monotonic() > deadline:
                raise JobError(
                    f"{version} was cancelled, but Slurm has not ended its job {native.id} yet: a node may not "
                    "answer (sinfo); try again later"
                )
            time.sleep(_POLL_SECONDS)

    def _ensure_stopped(self, version: VersionFolder, reason: str, code: int) -> None:
        """Say STOPPED where the task could not say it itself."""
        if not read_status(version.store).state.ended:
            record(version.store, State.STOPPED, reason, int(code))

    def list(self) -> list[QueuedJob]:
        """This user's jobs in the queue, of any store."""
        return queued_jobs()


def _just_recorded(status: Status) -> bool:
    last = status.transitions[-1]
    return (datetime.now(UTC) - last.time).total_seconds() < _SENDING_SECONDS


def _is_of(job: SlurmJob, version: VersionFolder) -> bool:
    """Whether a job runs this version; some clusters have comments of their own, or keep none."""
    other = url_of(job.comment) is not None and job.comment != comment_of(version.url)
    return job.name == job_name(store_url(version.url)) and not other
