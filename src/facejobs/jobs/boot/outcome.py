"""How a task ended, and telling the version store."""

import logging
from dataclasses import dataclass

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.boot.stop import StopRequest
from facejobs.jobs.liveness import process_facts
from facejobs.jobs.status import State, record
from facejobs.storage.environment import BootEnvironment
from facejobs.storage.store import ObjectStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The end of one attempt: the exit code of run_train.sh, the version's state, and why in words."""

    code: int
    state: State
    reason: str = ""


def outcome_of(code: int, stop: StopRequest) -> Outcome:
    """What a command's exit code means, given whether it was asked to stop."""
    if code == 0:
        return Outcome(code, State.COMPLETED)
    if stop.timed_out:
        return Outcome(code, State.FAILED, f"time limit: {stop.reason}")
    if stop.reason is not None or code == ExitCode.STOPPED:
        return Outcome(code, State.STOPPED, stop.reason or "the command stopped by itself and saved")
    if code > 128:
        return Outcome(code, State.FAILED, f"the command was ended by signal {code - 128}")
    return Outcome(code, State.FAILED, f"the command ended with exit code {code}")


class VersionState:
    """Writes the states of the version this task belongs to; does nothing outside a version's first task."""

    def __init__(self, version: ObjectStore | None, environment: BootEnvironment) -> None:
        self._version, self._environment = version, environment

    def running(self) -> None:
        """This process answers for the version now. Raises StorageError or JobError."""
        if self._version is not None:
            record(self._version, State.RUNNING, attempt=self._environment.attempt, task=process_facts())

    def ended(self, outcome: Outcome) -> int:
        """Record how it ended, or that it is tried again; returns the exit code of run_train.sh."""
        if self._version is None:
            return outcome.code
        state, reason = outcome.state, outcome.reason
        attempt, attempts = self._environment.attempt, self._environment.attempts
        if state is State.FAILED and attempt < attempts and not reason.startswith("time limit"):
            state, reason = State.PENDING, f"attempt {attempt} of {attempts}: {reason}; it is tried again"
        try:
            record(self._version, state, reason, outcome.code, attempt=attempt)
        except (FacejobsError, OSError) as error:
            log.error("the state %s could not be recorded: %s", state, error)
            return outcome.code or ExitCode.UPLOAD_FAILED
        return outcome.code
