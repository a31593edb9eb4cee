"""How a task ended, and telling the version store."""

import logging
from dataclasses import dataclass
from functools import cached_property

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.boot.attempts import failures, next_attempt
from facejobs.jobs.boot.control import Control, StopCause
from facejobs.jobs.boot.stop import StopRequest
from facejobs.jobs.liveness import process_facts
from facejobs.jobs.status import State, read_status, record
from facejobs.storage.environment import BootEnvironment
from facejobs.storage.store import ObjectStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The end of one attempt: the exit code of run_train.sh, the version's state, and why in words.

    PENDING is the end of an attempt whose machine was taken away. A failure that is `final` is not tried again.
    """

    code: int
    state: State
    reason: str = ""
    final: bool = False


def outcome_of(code: int, stop: StopRequest, control: Control | None = None, tasks: int = 1) -> Outcome:
    """What a command's exit code means, given who asked it to stop; the `tasks` of a job stop together."""
    if code == 0:
        return Outcome(code, State.COMPLETED)
    if stop.reason is not None or code == ExitCode.STOPPED:
        return stopped(code, stop, control, tasks)
    if code > 128:
        return Outcome(code, State.FAILED, f"the command was ended by signal {code - 128}")
    return Outcome(code, State.FAILED, f"the command ended with exit code {code}")


def stopped(code: int, stop: StopRequest, control: Control | None, tasks: int = 1, when: str = "") -> Outcome:
    """What it means that an attempt was stopped; `when` is added to the reason."""
    if stop.timed_out:
        # Not the command's own code, mostly 75: who starts a task again that ends with that must not start this one.
        return Outcome(ExitCode.TIME_LIMIT, State.FAILED, f"time limit: {stop.reason}{when}", final=True)
    alone = tasks == 1
    by_itself = "the command stopped by itself and saved" if alone else "another task was stopped, and all saved"
    reason = (stop.reason or by_itself) + when
    order = control.stop_order() if control is not None else None
    if order is None and control is not None and (stop.reason is not None or not alone):
        return Outcome(code, State.PENDING, f"{reason}, not by facejobs")
    if order is None:
        return Outcome(code, State.STOPPED, reason)
    if order.cause is StopCause.REQUESTED:
        return Outcome(code, State.STOPPED, order.reason + when)
    if order.cause is StopCause.TIME_LIMIT:
        return Outcome(ExitCode.TIME_LIMIT, State.FAILED, f"time limit: {order.reason}{when}")
    return Outcome(order.code or code, State.FAILED, order.reason)


class VersionState:
    """Writes the states of the version this task belongs to; does nothing outside a version's first task."""

    def __init__(self, version: ObjectStore | None, environment: BootEnvironment, control: Control | None) -> None:
        self._version, self._environment, self._control = version, environment, control

    @cached_property
    def attempt(self) -> int | None:
        """The number of this attempt; None for a task that does not know. Raises StorageError or JobError."""
        if self._environment.attempt is not None or self._version is None:
            return self._environment.attempt
        return next_attempt(read_status(self._version))

    def running(self) -> None:
        """This process answers for the version now. Raises StorageError or JobError."""
        if self._version is not None:
            record(self._version, State.RUNNING, attempt=self.attempt, task=process_facts())

    def ended(self, outcome: Outcome) -> int:
        """Record how it ended, or that it is tried again; returns the exit code of run_train.sh."""
        if self._version is None:
            return outcome.code
        try:
            state = self._record(self._version, outcome)
        except (FacejobsError, OSError) as error:
            log.error("the state %s could not be recorded: %s", outcome.state, error)
            return outcome.code or ExitCode.UPLOAD_FAILED
        if self._control is not None:
            self._control.tell_end(state)
        return outcome.code

    def _record(self, version: ObjectStore, outcome: Outcome) -> State:
        state, reason, code = outcome.state, outcome.reason, outcome.code
        attempt = self.attempt
        assert attempt is not None
        if state is State.PENDING:
            # Without an exit code: the job has not ended, and none of its retries is used up.
            record(version, state, f"attempt {attempt}: {reason}; it goes on when it is started again", attempt=attempt)
            return state
        last = self._last_attempt(version, attempt)
        if state is State.FAILED and attempt < last and not outcome.final:
            state, reason = State.PENDING, f"attempt {attempt} of {last}: {reason}; it is tried again"
        record(version, state, reason, code, attempt=attempt)
        return state

    def _last_attempt(self, version: ObjectStore, attempt: int) -> int:
        attempts = self._environment.attempts
        if self._environment.attempt is not None:
            return attempts
        return attempt + attempts - 1 - failures(read_status(version))
