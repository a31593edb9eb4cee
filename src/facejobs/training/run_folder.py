"""The output folder of one run: who it belongs to, and that only one process writes to it.

params.json   what the run is: task, every resolved parameter, data fingerprint, software
metrics.jsonl   checkpoints/   model/   scores/   and the pictures of evaluations
"""

import fcntl
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from facejobs.training.checkpoints import CheckpointStore, sync
from facejobs.training.errors import RunFolderError
from facejobs.training.parameters import Parameters

_FORMAT = 1
_LOCK = ".lock"
_UNFINISHED = ".params.json.tmp"


class RunFolder:
    """Context manager that locks the folder; refuses one that holds another run or a stranger's files."""

    def __init__(self, path: Path, task: str, parameters: Parameters, data: dict[str, Any]) -> None:
        self.path = path
        self._identity: dict[str, Any] = {
            "format": _FORMAT,
            "task": task,
            "parameters": parameters.as_json(),
            "data": data,
        }
        self._parameters = parameters
        self.checkpoints = CheckpointStore(path / "checkpoints")

    @property
    def model(self) -> Path:
        """Where the model is published."""
        return self.path / "model"

    @property
    def journal(self) -> Path:
        """The metrics journal."""
        return self.path / "metrics.jsonl"

    @property
    def complete(self) -> bool:
        """Whether the run has published its model."""
        return (self.model / "model.json").is_file()

    def __enter__(self) -> Self:
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{self.path} is a file; name a folder for the run's output")
        stored = self._stored()
        if stored is not None:
            self._compare(stored)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise RunFolderError(f"another process is training into {self.path}; wait for it or stop it") from None
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._lock.close()

    def _stored(self) -> dict[str, Any] | None:
        path = self.path / "params.json"
        if not path.exists():
            names = {entry.name for entry in self.path.glob("*")} if self.path.is_dir() else set()
            strangers = sorted(names - {_LOCK, _UNFINISHED})
            if strangers:
                raise RunFolderError(
                    f"{self.path} holds files of something else ({', '.join(strangers[:5])}) and no params.json; "
                    "name an empty or new folder"
                )
            return None
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return {name: stored[name] for name in self._identity}
        except (ValueError, KeyError, TypeError):
            raise RunFolderError(f"{path} is damaged: restore it, or name another output folder") from None

    def _compare(self, stored: dict[str, Any]) -> None:
        differences = self._parameters.differences(stored["parameters"])
        if stored["task"] != self._identity["task"]:
            differences.insert(0, f"task {stored['task']} there, {self._identity['task']} here")
        if stored["data"].get("fingerprint") != self._identity["data"].get("fingerprint"):
            differences.insert(0, f"trained on other data: {stored['data'].get('path')}")
        if differences:
            raise RunFolderError(
                f"{self.path} holds another run:\n  "
                + "\n  ".join(differences)
                + "\nname another output folder, or repeat that run's parameters to resume it"
            )

    def record(self, software: dict[str, str]) -> None:
        """Write params.json once, atomically."""
        path = self.path / "params.json"
        if path.exists():
            return
        temporary = self.path / _UNFINISHED
        temporary.write_text(json.dumps({**self._identity, "software": software}, indent=1), encoding="utf-8")
        sync(temporary)
        temporary.replace(path)
