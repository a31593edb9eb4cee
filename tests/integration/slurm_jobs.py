"""Jobs as users send them to Slurm, for tests of that backend."""

import json
from pathlib import Path
from typing import Any

from local_jobs import until

from facejobs.jobs.backends.native import read_native
from facejobs.jobs.backends.slurm import SlurmBackend
from facejobs.jobs.backends.slurm_options import SlurmOptions
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import VersionFolder, open_version_store


class SlurmVersion:
    """One submitted version."""

    def __init__(self, version: VersionFolder, backend: SlurmBackend) -> None:
        self.version, self.backend = version, backend

    @classmethod
    def submit(cls, spec: JobSpec, store: str, scratch: Path, **options: Any) -> "SlurmVersion":
        backend = SlurmBackend(SlurmOptions.model_validate({"scratch": str(scratch), **options}))
        return cls(submit(spec, open_version_store(store), backend), backend)

    @property
    def number(self) -> str:
        native = read_native(self.version.store)
        assert native is not None
        return native.id

    @property
    def status(self) -> Status:
        return read_status(self.version.store)

    @property
    def state(self) -> State:
        return self.backend.state(self.version)

    @property
    def states(self) -> list[tuple[int, State]]:
        return [(item.attempt, item.state) for item in self.status.transitions]

    @property
    def exit_code(self) -> int | None:
        return self.status.transitions[-1].exit_code

    def wait(self, seconds: float = 120.0) -> State:
        until(lambda: self.state.ended, seconds)
        return self.state

    def begun(self, steps: int = 8) -> bool:
        """Whether a checkpoint of this step or a later one has been uploaded."""
        return any(
            item.key.endswith("/manifest.json") and int(item.key.split("-")[1].split("/")[0]) >= steps
            for item in self.version.store.list("checkpoints")
        )

    def log(self) -> str:
        return "\n".join(self.backend.logs(self.version))

    def model(self) -> dict[str, bytes]:
        """The files of the uploaded model."""
        model = self.version.store.below("model")
        return {item.key: model.read(item.key) for item in model.list()}


def shell_spec(name: str, script: str, **fields: object) -> JobSpec:
    """A job that runs a shell script."""
    command = f"bash -c {json.dumps(script)} job"
    return JobSpec.model_validate({"name": name, "command": command, "outputs": {"out": None}, **fields})
