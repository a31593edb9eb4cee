"""What a supervisor makes of the end of a task."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_records import a_spec

from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.backends.local_supervisor import Order, Supervisor
from facejobs.jobs.backends.slots import pool_for
from facejobs.jobs.backends.supervised import ORDER, work_of
from facejobs.jobs.liveness import process_facts
from facejobs.jobs.status import STATUS, State, read_status, record
from facejobs.jobs.submission import claim
from facejobs.jobs.version_record import BackendBlock
from facejobs.jobs.versions import VersionFolder, open_version_store


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VersionFolder]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FACEJOBS_SLOTS", "1")
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield claim(a_spec(), open_version_store(str(tmp_path / "store")), BackendBlock(name="local"), {})
    for number, handler in handlers.items():
        signal.signal(number, handler)


def supervise(version: VersionFolder, tmp_path: Path, script: str) -> int:
    """Run a script as the task, which may be tried twice; returns how often it ran."""
    work = tmp_path / "work"
    work.mkdir()
    ticket = pool_for(0).join()
    order = Order(
        url=version.url,
        work=str(work),
        folder=str(tmp_path),
        command=["sh", "-c", f"echo >> runs; {script}"],
        environment={},
        attempt=1,
        attempts=2,
        gpus=0,
        ticket=str(ticket.path),
        ticket_file=ticket.file,
    )
    Supervisor(order).run()
    return (tmp_path / "runs").read_text().count("\n")


def test_a_job_that_waits_for_its_turn_is_not_listed_as_running(version: VersionFolder, tmp_path: Path) -> None:
    backend, work = LocalBackend(), work_of(version)
    work.mkdir(parents=True)
    ticket = pool_for(0).join()
    (work / ORDER).write_text(backend.make_order(version, 1, str(tmp_path), ticket).to_json())
    ticket.close()
    for state, native in ((State.PENDING, "waiting"), (State.RUNNING, "running")):
        record(version.store, state, supervisor=process_facts())
        assert [(item.state, item.native_state) for item in backend.list()] == [(state, native)]


def test_a_version_that_was_deleted_under_way_is_left_deleted(version: VersionFolder, tmp_path: Path) -> None:
    assert supervise(version, tmp_path, f"rm {Path(version.url) / STATUS}") == 1
    assert version.store.stat(STATUS) is None


def test_a_task_that_ended_without_a_word_is_tried_again(version: VersionFolder, tmp_path: Path) -> None:
    assert supervise(version, tmp_path, "exit 3") == 2
    status = read_status(version.store)
    assert (status.state, status.transitions[-1].exit_code) == (State.FAILED, 3)
