"""The output folder of one run: who it belongs to, and that only one process writes to it.

A run owns its folder from its first checkpoint on. What was refused or killed before has nothing to go on from, so any
run may begin there.

params.json   what the run is: task, every resolved parameter, data fingerprint, software, evaluation sets
metrics.jsonl   checkpoints/   model/   scores/   resamples/   and the pictures of evaluations
"""

import contextlib
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from facejobs.training.checkpoints import CheckpointStore, sync
from facejobs.training.errors import RunFolderError
from facejobs.training.parameters import Parameters

_FORMAT = 1
_PARAMETERS = "params.json"
_LOCK = ".lock"
_UNFINISHED = ".params.json.tmp"


class RunFolder:
    """Context manager that locks the folder; refuses one that holds another run or a stranger's files.

    `recorded` is what params.json says of the run that goes on; empty where a run begins. A run that ends before it is
    recorded leaves nothing behind.
    """

    def __init__(self, path: Path, task: str, parameters: Parameters, data: dict[str, Any]) -> None:
        self.path = path
        self._identity: dict[str, Any] = {
            "format": _FORMAT,
            "task": task,
            "parameters": parameters.as_json(),
            "data": data,
        }
        self._parameters = parameters
        self.recorded: dict[str, Any] = {}
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
    def divergence_report(self) -> Path:
        """What a diverged run leaves to look into."""
        return self.path / "divergence.json"

    @property
    def complete(self) -> bool:
        """Whether the run has published its model."""
        return (self.model / "model.json").is_file()

    def __enter__(self) -> Self:
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{self.path} is a file; name a folder for the run's output")
        self._refuse_strangers()
        self._made = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        try:
            stored = self._stored()
            if stored is not None and self._begun():
                self._compare(stored)
                self.recorded = stored
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if not (self.path / _PARAMETERS).exists():
            with contextlib.suppress(OSError):
                (self.path / _LOCK).unlink()
                if self._made:
                    self.path.rmdir()
        self._lock.close()

    def _acquire(self) -> None:
        path = self.path / _LOCK
        self._lock = path.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder may have removed the file between opening and locking; then the lock is on nothing.
            locked = os.path.samestat(os.fstat(self._lock.fileno()), path.stat())
        except OSError:
            locked = False
        if not locked:
            self._lock.close()
            raise RunFolderError(f"another process is training into {self.path}; wait for it or stop it")

    def _begun(self) -> bool:
        return bool(self.checkpoints.steps()) or self.complete or self.divergence_report.exists()

    def _refuse_strangers(self) -> None:
        if (self.path / _PARAMETERS).exists():
            return
        names = {entry.name for entry in self.path.glob("*")} if self.path.is_dir() else set()
        strangers = sorted(names - {_LOCK, _UNFINISHED})
        if strangers:
            raise RunFolderError(
                f"{self.path} holds files of something else ({', '.join(strangers[:5])}) and no params.json; "
                "name an empty or new folder"
            )

    def _stored(self) -> dict[str, Any] | None:
        path = self.path / _PARAMETERS
        if not path.exists():
            return None
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            whole = stored.keys() >= self._identity.keys()
            whole = whole and isinstance(stored["parameters"], dict) and isinstance(stored["data"], dict)
        except (ValueError, AttributeError):
            whole = False
        if not whole:
            raise RunFolderError(f"{path} is damaged: restore it, or name another output folder")
        return stored

    def _compare(self, stored: dict[str, Any]) -> None:
        if stored["task"] != self._identity["task"]:
            differences = [f"task {stored['task']} there, {self._identity['task']} here"]
        else:
            differences = self._parameters.differences(stored["parameters"])
            if stored["data"].get("fingerprint") != self._identity["data"].get("fingerprint"):
                differences.insert(0, f"trained on other data: {stored['data'].get('path')}")
        if differences:
            raise RunFolderError(
                f"{self.path} holds another run:\n  "
                + "\n  ".join(differences)
                + "\nname another output folder, or repeat that run's parameters to resume it"
            )

    def record(self, software: dict[str, str], evaluation: dict[str, str] | None = None) -> None:
        """Write params.json atomically, unless the run goes on; `evaluation` is each set's name and protocol."""
        if self.recorded:
            return
        temporary = self.path / _UNFINISHED
        document = {
            **self._identity,
            "without_influence": sorted(self._parameters.MAY_CHANGE_ON_RESUME),
            "software": software,
            "evaluation": evaluation or {},
        }
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
        sync(temporary)
        temporary.replace(self.path / _PARAMETERS)
