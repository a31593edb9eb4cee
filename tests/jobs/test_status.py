"""Status: a history that only a completed version closes."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.errors import JobError, VersionDamagedError
from facejobs.jobs.status import ProcessFacts, State, Status, parse_status, read_status, record, write_status
from facejobs.storage.local import LocalStore

SUPERVISOR = ProcessFacts(host="h", boot_id="b", pid=1, started=2)
TASK = ProcessFacts(host="h", boot_id="b", pid=3, started=4)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def test_before_anything_is_written(store: LocalStore) -> None:
    status = read_status(store)
    assert (status.state, status.attempt, status.started, status.ended) == (State.PENDING, 1, None, None)


def test_a_life_with_a_retry(store: LocalStore) -> None:
    record(store, State.PENDING, supervisor=SUPERVISOR)
    record(store, State.RUNNING, task=TASK)
    failed = record(store, State.FAILED, "out of memory", 137)
    assert failed.ended == failed.transitions[-1].time
    record(store, State.RUNNING, attempt=2)
    status = record(store, State.COMPLETED, exit_code=0)
    assert status == read_status(store)
    assert [(item.state, item.attempt, item.exit_code) for item in status.transitions] == [
        (State.PENDING, 1, None),
        (State.RUNNING, 1, None),
        (State.FAILED, 1, 137),
        (State.RUNNING, 2, None),
        (State.COMPLETED, 2, 0),
    ]
    assert status.started == status.transitions[3].time
    assert (status.supervisor, status.task) == (SUPERVISOR, TASK)
    times = [item.time for item in status.transitions]
    assert times == sorted(times)


def test_completed_is_for_good(store: LocalStore) -> None:
    record(store, State.COMPLETED)
    before = store.read("status.json")
    for state in set(State) - {State.COMPLETED}:
        with pytest.raises(JobError, match="stays so"):
            record(store, state, attempt=2)
    assert store.read("status.json") == before


def test_a_repeated_state_is_one_transition(store: LocalStore) -> None:
    record(store, State.PENDING)
    status = record(store, State.PENDING, supervisor=SUPERVISOR)
    assert (len(status.transitions), status.supervisor) == (1, SUPERVISOR)
    assert len(record(store, State.PENDING, attempt=2).transitions) == 2


def test_which_states_have_ended() -> None:
    assert {state for state in State if not state.ended} == {State.PENDING, State.RUNNING}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"transitions": [{"state": "DONE"}]}', b'{"transitions": 3}', b"\xff"]
)
def test_a_damaged_status_is_named(store: LocalStore, content: bytes) -> None:
    store.write("status.json", content)
    with pytest.raises(VersionDamagedError, match=r"status\.json is damaged"):
        read_status(store)


def test_fields_of_a_newer_version_are_passed_over(store: LocalStore) -> None:
    store.write("status.json", b'{"transitions": [], "mood": "fine"}')
    assert read_status(store) == Status()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_status_or_damaged(content: bytes) -> None:
    with contextlib.suppress(VersionDamagedError):
        parse_status(content, "url")


def test_writing_and_reading_agree(store: LocalStore) -> None:
    status = record(store, State.STOPPED, "by ann", 143)
    write_status(store, status)
    assert read_status(store) == status
