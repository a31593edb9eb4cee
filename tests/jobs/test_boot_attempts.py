"""Tasks that a cluster starts again: which attempt it is, why one was stopped, and how often it may fail."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from facejobs.errors import ExitCode
from facejobs.jobs.boot.attempts import failures, needs_no_attempt, next_attempt
from facejobs.jobs.boot.control import Control, StopCause, StopOrder
from facejobs.jobs.boot.outcome import Outcome, VersionState, outcome_of
from facejobs.jobs.boot.stop import StopRequest
from facejobs.jobs.boot.task import Task
from facejobs.jobs.status import State, Status, Transition, read_status, record
from facejobs.storage.environment import BootEnvironment
from facejobs.storage.errors import StorageError
from facejobs.storage.local import LocalStore

P, R, F, S, C = State.PENDING, State.RUNNING, State.FAILED, State.STOPPED, State.COMPLETED


def status(*items: tuple[State, int, int | None]) -> Status:
    now = datetime.now(UTC)
    return Status(
        transitions=tuple(Transition(state=state, time=now, attempt=at, exit_code=code) for state, at, code in items)
    )


@pytest.mark.parametrize(
    ("history", "attempt", "failed"),
    [
        ([], 1, 0),
        ([(P, 1, None)], 1, 0),
        ([(P, 1, None), (R, 1, None)], 2, 0),
        ([(P, 1, None), (R, 1, None), (P, 1, None)], 2, 0),
        ([(P, 1, None), (R, 1, None), (P, 1, 3)], 2, 1),
        ([(P, 1, None), (R, 1, None), (P, 1, 3), (R, 2, None), (P, 2, None), (R, 3, None), (P, 3, 124)], 4, 2),
        ([(P, 1, None), (R, 1, None), (P, 1, 3), (R, 2, None), (F, 2, 3), (P, 3, None)], 3, 0),
        ([(P, 1, None), (R, 1, None), (S, 1, 75), (P, 2, None), (R, 2, None), (P, 2, 1)], 3, 1),
    ],
)
def test_the_history_says_which_attempt_begins_and_how_many_failed(history, attempt: int, failed: int) -> None:
    assert (next_attempt(status(*history)), failures(status(*history))) == (attempt, failed)


def test_a_version_that_is_whole_or_stopped_needs_no_attempt() -> None:
    assert [needs_no_attempt(status((state, 1, 0))) for state in (P, R, C, F, S)] == [False, False, True, False, True]


class Stopped(StopRequest):
    """A stop request as SIGTERM leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = "stopped by SIGTERM"


@pytest.mark.parametrize(
    ("order", "code", "outcome"),
    [
        (None, 75, Outcome(75, P, "stopped by SIGTERM, not by facejobs")),
        (None, 0, Outcome(0, C)),
        ("requested\n\nstopped on request\n", 143, Outcome(143, S, "stopped on request")),
        ("time_limit\n\nsaved\n", 75, Outcome(ExitCode.TIME_LIMIT, F, "time limit: saved")),
        ("time_limit\n\nsaved\n", 0, Outcome(0, C)),
        ("task_failed\n7\ntask 1\n", 75, Outcome(7, F, "task 1")),
        ("task_failed\n\ntask 1\n", 75, Outcome(75, F, "task 1")),
        ("nonsense\n\n\n", 75, Outcome(75, P, "stopped by SIGTERM, not by facejobs")),
    ],
)
def test_the_backend_says_why_a_task_is_stopped(tmp_path: Path, order: str | None, code: int, outcome: Outcome) -> None:
    if order is not None:
        (tmp_path / "stop").write_text(order)
    assert outcome_of(code, Stopped(), Control(tmp_path)) == outcome


def test_without_a_backend_that_says_why_a_stop_is_a_stop(tmp_path: Path) -> None:
    assert outcome_of(75, Stopped()) == Outcome(75, S, "stopped by SIGTERM")
    assert outcome_of(75, StopRequest(), Control(tmp_path)).state is S
    assert Control(tmp_path / "absent").stop_order() is None
    (tmp_path / "stop").write_text("task_failed\nseven\nx\n")
    assert Control(tmp_path).stop_order() is None
    (tmp_path / "stop").write_text("requested\n\nwhy\n")
    assert Control(tmp_path).stop_order() == StopOrder(StopCause.REQUESTED, None, "why")


def test_a_task_of_several_is_stopped_with_another_one_whose_machine_is_taken(tmp_path: Path) -> None:
    taken = Outcome(75, P, "another task was stopped, and all saved, not by facejobs")
    assert outcome_of(75, StopRequest(), Control(tmp_path), tasks=2) == taken
    (tmp_path / "stop").write_text("requested\n\nstopped on request\n")
    assert outcome_of(75, StopRequest(), Control(tmp_path), tasks=2) == Outcome(75, S, "stopped on request")


def environment(tmp_path: Path, **variables: str) -> BootEnvironment:
    return BootEnvironment.read(
        {
            "FACEJOBS_VERSION_URL": str(tmp_path / "version"),
            "FACEJOBS_WORK": str(tmp_path / "work"),
            "FACEJOBS_CONTROL": str(tmp_path / "control"),
            "FACEJOBS_ATTEMPT": "auto",
            **variables,
        }
    )


def test_failures_are_tried_again_as_often_as_allowed_and_lost_machines_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    store, control = LocalStore(tmp_path / "version"), Control(tmp_path / "control")
    record(store, P)
    ends = []
    for outcome in (Outcome(3, F, "a"), Outcome(75, P, "taken"), Outcome(124, F, "time limit: b"), Outcome(3, F, "c")):
        state = VersionState(store, environment(tmp_path, FACEJOBS_ATTEMPTS="3"), control)
        state.running()
        assert state.ended(outcome) == outcome.code
        ends.append((tmp_path / "control" / "end").read_text().strip())
    assert ends == ["PENDING", "PENDING", "PENDING", "FAILED"]
    history = read_status(store).transitions
    assert [item.attempt for item in history if item.state is R] == [1, 2, 3, 4]
    assert [item.exit_code for item in history if item.state is P] == [None, 3, None, 124]
    assert "attempt 1 of 3: a; it is tried again" in history[2].reason and "attempt 3 of 4" in history[6].reason


def test_a_failure_that_is_final_is_not_tried_again(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "version")
    state = VersionState(store, environment(tmp_path, FACEJOBS_ATTEMPTS="9"), None)
    state.running()
    state.ended(Outcome(124, F, "time limit", final=True))
    assert read_status(store).state is F


@pytest.mark.parametrize(("tasks", "code"), [("1", ExitCode.OK), ("2", ExitCode.JOB)])
def test_a_task_of_a_version_that_is_whole_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tasks: str, code: ExitCode
) -> None:
    (tmp_path / "control").mkdir()
    record(LocalStore(tmp_path / "version"), C)
    touched = tmp_path / "touched"
    task = Task(["touch", str(touched)], environment(tmp_path, DLS_TASK_INDEX="0", DLS_TASK_NUMBER=tasks), {})
    assert task.run() == code and not touched.exists()
    assert (tmp_path / "control" / "end").read_text() == "COMPLETED\n" and "COMPLETED" in capsys.readouterr().out


def test_an_attempt_is_a_number_or_auto(tmp_path: Path) -> None:
    assert environment(tmp_path).attempt is None and environment(tmp_path, FACEJOBS_ATTEMPT="3").attempts == 3
    with pytest.raises(StorageError, match="FACEJOBS_ATTEMPT is 'automatic'"):
        environment(tmp_path, FACEJOBS_ATTEMPT="automatic")
