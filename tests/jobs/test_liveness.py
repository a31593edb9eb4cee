"""LOST is what nobody answers for: not on this machine, and not elsewhere for minutes."""

import json
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facejobs.jobs.backends.native import NativeJob, write_native
from facejobs.jobs.liveness import SILENCE_SECONDS, beat, effective_state, is_alive, process_facts
from facejobs.jobs.status import ProcessFacts, State, Status, Transition
from facejobs.storage.local import LocalStore

ELSEWHERE = ProcessFacts(host="another-machine", boot_id="b", pid=1, started=1)


def status(state: State, age: float = 0.0, **processes: ProcessFacts) -> Status:
    time_of = datetime.now(UTC) - timedelta(seconds=age)
    return Status(transitions=(Transition(state=state, time=time_of),), **processes)


@pytest.fixture
def dead() -> ProcessFacts:
    with subprocess.Popen(["sleep", "60"]) as process:
        facts = process_facts(process.pid)
        process.kill()
    return facts


def test_a_process_is_known_by_more_than_its_number(dead: ProcessFacts) -> None:
    own = process_facts()
    assert is_alive(own)
    assert not is_alive(dead)
    assert not is_alive(own.model_copy(update={"started": own.started - 1}))
    assert not is_alive(own.model_copy(update={"boot_id": "before the restart"}))


def test_a_zombie_is_dead() -> None:
    process = subprocess.Popen(["sleep", "60"])
    facts = process_facts(process.pid)
    process.kill()
    deadline = time.monotonic() + 10
    while is_alive(facts):
        assert time.monotonic() < deadline
    assert Path(f"/proc/{process.pid}").exists()
    process.wait()


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_on_this_machine_one_living_process_is_enough(state: State, dead: ProcessFacts) -> None:
    own = process_facts()
    assert effective_state(status(state, supervisor=own, task=dead)) is state
    assert effective_state(status(state, supervisor=dead, task=own)) is state
    assert effective_state(status(state, supervisor=dead, task=dead)) is State.LOST
    assert effective_state(status(state, supervisor=dead)) is State.LOST


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.STOPPED])
def test_an_end_stays_whoever_is_dead(state: State, dead: ProcessFacts) -> None:
    assert effective_state(status(state, supervisor=dead, task=dead)) is state


def test_elsewhere_the_heartbeat_tells(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    old = status(State.RUNNING, age=2 * SILENCE_SECONDS, supervisor=ELSEWHERE)
    assert effective_state(old) is State.RUNNING
    assert effective_state(old, store) is State.LOST
    beat(store)
    assert effective_state(old, store) is State.RUNNING
    store.write("heartbeat.json", json.dumps({"time": time.time() - 2 * SILENCE_SECONDS}).encode())
    assert effective_state(old, store) is State.LOST
    assert effective_state(status(State.RUNNING, supervisor=ELSEWHERE), store) is State.RUNNING
    store.write("heartbeat.json", b"{")
    assert effective_state(old, store) is State.LOST


def test_a_version_that_was_claimed_and_never_started_is_lost_in_the_end(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("version.json", b"{}")
    assert effective_state(Status(), store) is State.PENDING
    long_ago = time.time() - 2 * SILENCE_SECONDS
    os.utime(tmp_path / "version.json", (long_ago, long_ago))
    assert effective_state(Status(), store) is State.LOST


def test_what_waits_in_the_queue_of_a_cluster_gives_no_sign_of_life(tmp_path: Path, dead: ProcessFacts) -> None:
    store = LocalStore(tmp_path)
    write_native(store, NativeJob(backend="slurm", id="7"))
    assert effective_state(status(State.PENDING, 2 * SILENCE_SECONDS), store) is State.PENDING
    assert effective_state(status(State.PENDING, 2 * SILENCE_SECONDS, task=dead), store) is State.PENDING
    assert effective_state(status(State.RUNNING, 2 * SILENCE_SECONDS, task=ELSEWHERE), store) is State.LOST
    assert effective_state(status(State.PENDING, 2 * SILENCE_SECONDS, supervisor=dead), store) is State.LOST
