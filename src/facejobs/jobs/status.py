"""`status.json` of a version: the states it went through, attempt by attempt, and who answers for it now.

What is written here may be out of date when a machine died: `facejobs.jobs.liveness` derives LOST from it.
"""

from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from facejobs.jobs.errors import WHAT_TO_DO, JobError, VersionDamagedError
from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

STATUS = "status.json"


class State(StrEnum):
    """Where a version stands. COMPLETED is for good; FAILED, STOPPED and LOST may be resumed."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    LOST = "LOST"

    @property
    def ended(self) -> bool:
        """Whether nothing runs or waits any more."""
        return self not in (State.PENDING, State.RUNNING)


class _Model(BaseModel):
    # Fields of a newer facejobs are passed over: an older one can still say what a job's state is.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Transition(_Model):
    """One change of state. `attempt` counts from 1; a retry or a resume begins the next one."""

    state: State
    time: AwareDatetime
    reason: str = ""
    exit_code: int | None = None
    attempt: int = Field(1, ge=1)


class ProcessFacts(_Model):
    """A process, told apart from a later one that got its number."""

    host: str
    boot_id: str = Field(description="/proc/sys/kernel/random/boot_id: another one means that the machine restarted")
    pid: int
    started: int = Field(description="start time in clock ticks since boot, field 22 of /proc/PID/stat")


class Status(_Model):
    """The history of a version and the processes that answer for it."""

    transitions: tuple[Transition, ...] = ()
    supervisor: ProcessFacts | None = None
    task: ProcessFacts | None = None

    @property
    def state(self) -> State:
        """The state as written last; PENDING before anything is written."""
        return self.transitions[-1].state if self.transitions else State.PENDING

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        return self.transitions[-1].attempt if self.transitions else 1

    @property
    def reason(self) -> str:
        """Why it is in this state, in words; may be empty."""
        return self.transitions[-1].reason if self.transitions else ""

    @property
    def started(self) -> datetime | None:
        """When the last attempt began to run."""
        times = [item.time for item in self.transitions if item.state is State.RUNNING]
        return times[-1] if times else None

    @property
    def ended(self) -> datetime | None:
        """When it ended, if it has."""
        return self.transitions[-1].time if self.transitions and self.state.ended else None


def read_status(store: ObjectStore) -> Status:
    """The status in a version folder, without transitions if none is written yet; VersionDamagedError if unreadable."""
    try:
        data = store.read(STATUS)
    except NotFoundError:
        return Status()
    return parse_status(data, store.url_of(STATUS))


def parse_status(data: bytes, url: str) -> Status:
    """The content of a `status.json`; VersionDamagedError naming `url`."""
    try:
        return Status.model_validate_json(data)
    except ValidationError as error:
        raise VersionDamagedError(f"{url} is damaged: {error.errors()[0]['msg']}{WHAT_TO_DO}") from None


def write_status(store: ObjectStore, status: Status) -> None:
    """Replace the status of a version folder, atomically."""
    store.write(STATUS, status.model_dump_json(indent=1).encode())


def record(
    store: ObjectStore,
    state: State,
    reason: str = "",
    exit_code: int | None = None,
    *,
    attempt: int | None = None,
    supervisor: ProcessFacts | None = None,
    task: ProcessFacts | None = None,
) -> Status:
    """Append a transition now and return the new status; processes that are not given stay as they are.

    Writing the state that an attempt has already only updates the processes. Without `attempt` it is the one that was
    written last. Raises JobError when a COMPLETED version would leave that state: others may build on its model.
    """
    status = read_status(store)
    if status.state is State.COMPLETED and state is not State.COMPLETED:
        raise JobError(f"{store.url} is COMPLETED and stays so; `facejobs modify` makes a new version from it")
    transition = Transition(
        state=state,
        time=datetime.now(UTC),
        reason=reason,
        exit_code=exit_code,
        attempt=attempt or status.attempt,
    )
    before = status.transitions
    repeated = bool(before) and transition.model_copy(update={"time": before[-1].time}) == before[-1]
    changed = Status(
        transitions=before if repeated else (*before, transition),
        supervisor=supervisor or status.supervisor,
        task=task or status.task,
    )
    write_status(store, changed)
    return changed
