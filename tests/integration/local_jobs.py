"""Jobs as users submit them, and the processes that run them, for tests of the local backend."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.backends.local_plan import store_url, work_folder
from facejobs.jobs.backends.processes import kill_processes_of
from facejobs.jobs.liveness import is_alive
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import VersionFolder, open_version_store

TINY = Path(__file__).with_name("tiny_training.py")
FACEJOBS = Path(sys.executable).with_name("facejobs")


def tiny_spec(*options: object, **fields: object) -> JobSpec:
    """A job of two seconds."""
    command = " ".join(map(str, [sys.executable, TINY, "{outputs.run}", *options]))
    return JobSpec.model_validate({"name": "tiny", "command": command, "outputs": {"run": None}, **fields})


class Job:
    """One submitted version."""

    def __init__(self, version: VersionFolder) -> None:
        self.version, self.backend = version, LocalBackend()

    @classmethod
    def submit(cls, spec: JobSpec, store: str) -> "Job":
        return cls(submit(spec, open_version_store(store), LocalBackend()))

    @property
    def work(self) -> Path:
        return work_folder(store_url(self.version.url))

    @property
    def status(self) -> Status:
        return read_status(self.version.store)

    @property
    def state(self) -> State:
        return self.backend.state(self.version)

    def wait(self, seconds: float = 120.0) -> State:
        until(lambda: self.state.ended, seconds)
        return self.state

    def resume(self) -> State:
        self.backend.resume(self.version)
        return self.wait()

    def log(self) -> str:
        return "\n".join(self.backend.logs(self.version))

    def model(self) -> dict[str, bytes]:
        """The files of the uploaded model."""
        model = self.version.store.below("model")
        return {item.key: model.read(item.key) for item in model.list()}

    def kill_everything(self) -> None:
        """What a power cut does to the processes."""
        supervisor = self.status.supervisor
        if supervisor is not None and is_alive(supervisor):
            os.kill(supervisor.pid, signal.SIGKILL)
            until(lambda: not is_alive(supervisor))
        kill_processes_of(self.work)


def submit_by_command(spec: JobSpec, store: str) -> subprocess.Popen[bytes]:
    """The command line that submits, as a process that may be killed."""
    path = Path(f"{store}.yaml")
    # JSON is YAML.
    path.write_text(spec.model_dump_json(exclude_defaults=True))
    return subprocess.Popen([FACEJOBS, "submit", path, "--store", store], stdout=subprocess.DEVNULL)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; AssertionError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
