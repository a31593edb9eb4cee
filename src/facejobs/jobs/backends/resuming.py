"""Which versions may be started again."""

from facejobs.jobs.errors import JobError
from facejobs.jobs.status import State
from facejobs.jobs.versions import VersionFolder


def require_resumable(version: VersionFolder, state: State, submitted: bool) -> None:
    """Raise JobError unless the version FAILED, was STOPPED or LOST.

    One that was claimed and never `submitted`, because its submit was killed, may be started too.
    """
    if state is State.COMPLETED:
        raise JobError(f"{version} is COMPLETED; `facejobs modify` makes a new version from it")
    if not state.ended and submitted:
        raise JobError(f"{version} is {state}; stop it first, or wait for it")
