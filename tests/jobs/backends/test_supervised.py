"""Starting again on this machine, while what ran before may still be tidied up."""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from job_records import a_spec

from facejobs.jobs.backends import supervised
from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.backends.supervised import work_of
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import process_facts
from facejobs.jobs.status import State, record
from facejobs.jobs.submission import claim
from facejobs.jobs.version_record import BackendBlock
from facejobs.jobs.versions import VersionFolder, open_version_store


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[VersionFolder]:
    """Versions whose supervisor would have been started."""
    started: list[VersionFolder] = []
    monkeypatch.setattr(LocalBackend, "_launch", lambda _, version, *__: started.append(version))
    monkeypatch.setattr(supervised, "_LOCK_SECONDS", 0.1)
    return started


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launched: list[VersionFolder]) -> Iterator[VersionFolder]:
    """A version whose supervisor, for another second, keeps its work folder to itself."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FACEJOBS_SLOTS", "1")
    monkeypatch.chdir(tmp_path)
    claimed = claim(a_spec(), open_version_store(str(tmp_path / "store")), BackendBlock(name="local"), {})
    work = work_of(claimed)
    work.mkdir(parents=True)
    with (work / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        timer = Timer(1.0, lock.close)
        timer.start()
        yield claimed
        timer.cancel()
        timer.join()


def test_resume_waits_for_a_supervisor_that_tidies_up(version: VersionFolder, launched: list[VersionFolder]) -> None:
    record(version.store, State.STOPPED, "stopped on request", 75)
    LocalBackend().resume(version)
    assert launched == [version]


def test_it_does_not_wait_for_one_that_began_meanwhile(
    version: VersionFolder, launched: list[VersionFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(version.store, State.RUNNING, supervisor=process_facts())
    monkeypatch.setattr(LocalBackend, "true_state", lambda *_: State.LOST)
    with pytest.raises(JobError, match="another process is starting this job"):
        LocalBackend().resume(version)
    assert not launched
