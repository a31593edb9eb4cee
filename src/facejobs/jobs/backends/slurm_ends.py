"""What a version's state becomes when Slurm ended its job before the first task could say how it ended."""

from facejobs.jobs.backends.slurm_queries import SlurmJob
from facejobs.jobs.boot.attempts import next_attempt
from facejobs.jobs.status import State, Status

_REASONS = {
    "TIMEOUT": "time limit: Slurm ended the job before it had saved; a higher signal_seconds gives it longer",
    "NODE_FAIL": "a node of the Slurm job failed, and Slurm did not start it again",
    "BOOT_FAIL": "a node of the Slurm job did not start",
    "DEADLINE": "the Slurm job's deadline passed",
    "OUT_OF_MEMORY": "the Slurm job used more memory than it asked for: ask for more by resources.memory",
}
_STOPPED = {
    "CANCELLED": "the Slurm job was cancelled, not by facejobs",
    "PREEMPTED": "the Slurm job was preempted, and Slurm did not start it again",
    "REVOKED": "the Slurm job was revoked by its federation",
}


def end_of(job: SlurmJob, status: Status) -> tuple[State, str, int | None]:
    """State, reason and exit code of a job that Slurm ended; `status` is what the version's tasks said last."""
    code = job.exit_code or (128 + job.signal if job.signal else None)
    if job.state in _STOPPED:
        return State.STOPPED, _STOPPED[job.state], code
    if job.state in _REASONS:
        return State.FAILED, _REASONS[job.state], code
    if status.state is State.PENDING and next_attempt(status) != status.attempt:
        # The attempt that said so expected another one.
        return (
            State.FAILED,
            f"{status.reason}, but Slurm did not start it again",
            status.transitions[-1].exit_code or code,
        )
    began = "" if status.state is State.RUNNING else " before its command began"
    how = f"signal {job.signal}" if job.signal and not job.exit_code else f"exit code {job.exit_code}"
    return State.FAILED, f"the Slurm job ended as {job.state} with {how}{began}, and no task said why", code
