"""Checkpoints that are whole or absent: arrays without pickle, `state.json`, and a manifest that proves both.

A checkpoint is written to a temporary folder, synced, then renamed: a kill at any moment leaves the older ones
untouched.
"""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from facejobs.training.errors import CheckpointError

_PREFIX = "step-"
_TEMPORARY = ".writing-"


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on: `arrays` by name, and `state` (step, epoch, schedule, hashes …)."""

    arrays: dict[str, NDArray[Any]]
    state: dict[str, Any]


class CheckpointStore:
    """The `checkpoints/` folder of a run: the last `keep` ones, and the best one."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self._folder = folder
        self._keep = keep
        self._proven: set[int] = set()

    def save(self, checkpoint: Checkpoint, best: bool = False) -> Path:
        """Write one checkpoint atomically; with `best`, it is the one to publish. Raises OSError on a full disk."""
        step = int(checkpoint.state["step"])
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{_PREFIX}{step:08d}"
        if step not in self._proven:
            shutil.rmtree(target, ignore_errors=True)
            self._write(target, checkpoint)
            self._proven.add(step)
        if best:
            self._point_best(step)
        self._prune()
        return target

    def _write(self, target: Path, checkpoint: Checkpoint) -> None:
        temporary = self._folder / f"{_TEMPORARY}{target.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            _write_arrays(temporary / "arrays.npz", checkpoint.arrays)
            (temporary / "state.json").write_text(json.dumps(checkpoint.state, indent=1), encoding="utf-8")
            manifest = {name: _describe(temporary / name) for name in ("arrays.npz", "state.json")}
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for path in [*temporary.iterdir(), temporary]:
                sync(path)
            temporary.rename(target)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(self._folder)
            raise
        sync(self._folder)

    def _point_best(self, step: int) -> None:
        temporary = self._folder / f"{_TEMPORARY}best.json"
        temporary.write_text(json.dumps({"step": step}), encoding="utf-8")
        sync(temporary)
        temporary.replace(self._folder / "best.json")

    def _prune(self) -> None:
        best = self.best_step()
        for step in self.steps()[: -self._keep]:
            if step != best:
                shutil.rmtree(self._path(step))

    def _path(self, step: int) -> Path:
        return self._folder / f"{_PREFIX}{step:08d}"

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are there, oldest first."""
        names = (path.name.removeprefix(_PREFIX) for path in self._folder.glob(f"{_PREFIX}*"))
        return sorted(int(name) for name in names if name.isdigit())

    def best_step(self) -> int | None:
        """Step of the best checkpoint, if an evaluation has chosen one."""
        try:
            return int(json.loads((self._folder / "best.json").read_text(encoding="utf-8"))["step"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def load(self, step: int) -> Checkpoint:
        """Read and verify one checkpoint; raises CheckpointError naming the damaged file."""
        folder = self._path(step)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            for name in ("arrays.npz", "state.json"):
                if _describe(folder / name) != manifest[name]:
                    raise CheckpointError(f"{folder / name} does not match its manifest: it was changed or cut short")
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
                return Checkpoint({name: archive[name] for name in archive.files}, state)
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise CheckpointError(f"the checkpoint {folder} cannot be read: {error}") from None

    def load_last(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that proves whole, and a warning for each newer one that did not."""
        for leftover in self._folder.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        warnings: list[str] = []
        for step in reversed(self.steps()):
            try:
                checkpoint = self.load(step)
                self._proven.add(step)
                return checkpoint, warnings
            except CheckpointError as error:
                warnings.append(str(error))
        if warnings:
            raise CheckpointError("no checkpoint can be used:\n" + "\n".join(warnings))
        return None, []


def _write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an .npz as np.savez does, array by array; its own archive would print a failure to close on a full disk."""
    archive = ZipFile(path, "w", allowZip64=True)
    try:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)  # type: ignore[no-untyped-call]
        archive.close()
    except BaseException:
        # What is left of the archive is worthless, and closing it later would fail once more.
        if (file := archive.fp) is not None:
            archive.fp = None
            with suppress(OSError):
                file.close()
        raise


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def sync(path: Path) -> None:
    """Make a file's content, or a folder's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
