"""Uploads while the command runs: its log and journal every few seconds, and each checkpoint once it is whole."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

from facejobs.errors import FacejobsError
from facejobs.storage.checkpoint_sync import (
    BEST,
    PARAMETERS,
    best_step,
    remove_checkpoints,
    send_checkpoint,
    steps_here,
    steps_there,
)
from facejobs.storage.store import ObjectStore
from facejobs.storage.whole_file import naming

log = logging.getLogger(__name__)

# Files that grow are sent whole each time, so a long one is sent less often: this part of the time at most.
_SHARE_OF_TIME = 0.1


class Repeated:
    """Calls `action` in a thread every `seconds`, and less often if it takes long; a failure is logged, not raised."""

    def __init__(self, name: str, action: Callable[[], None], seconds: float) -> None:
        self._name, self._action, self._seconds = name, action, seconds
        self._end = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the call under way; returns when it has ended."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = self._seconds
        said = ""
        while not self._end.wait(wait):
            began = time.monotonic()
            try:
                self._action()
                said = ""
            except (FacejobsError, OSError) as error:
                if str(error) != said:
                    log.warning("%s: %s; trying again", self._name, error)
                said = str(error)
            wait = max(self._seconds, (time.monotonic() - began) / _SHARE_OF_TIME)


class GrowingFile:
    """A file that is appended to (or begun anew), and its copy in storage, which holds whole lines only."""

    def __init__(self, path: Path, store: ObjectStore, key: str, staging: Path) -> None:
        self._path, self._store, self._key = path, store, key
        self._copy = staging / key.replace("/", "-")
        self._lock = Lock()
        self._sent: tuple[int, int, int] | None = None

    def send(self) -> None:
        """Upload the file as it is now, unless that is there already. An absent file is no error."""
        with self._lock:
            try:
                status = self._path.stat()
            except FileNotFoundError:
                return
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            if version == self._sent:
                return
            # A copy, because the digest of a file that grows while it is sent would not be that of what arrived.
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            with naming(self._copy), self._path.open("rb") as source, self._copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            _cut_unfinished_line(self._copy)
            self._store.upload(self._copy, self._key)
            self._sent = version


class CheckpointUploads:
    """Keeps the checkpoints in storage equal to those of the run: a newer one is there before an older one goes."""

    def __init__(self, output: Path, store: ObjectStore, staging: Path, journal: Callable[[], None]) -> None:
        """`journal` sends the metrics journal, which must not be older in storage than a checkpoint."""
        self._output, self._store, self._staging, self._journal = output, store, staging, journal
        self._sent: set[int] = set()
        self._listed = False
        self._best: bytes | None = None
        self._parameters = False

    def send(self) -> None:
        """Upload what is new and remove what is gone. A checkpoint rotated away meanwhile is no error."""
        if not self._listed:
            # Those of an earlier attempt: what is gone here goes there too.
            self._sent = set(steps_there(self._store)) - steps_here(self._output).keys()
            self._listed = True
        self._send_parameters()
        before = steps_here(self._output)
        for step in sorted(before, reverse=True):
            if step not in self._sent and self._send(step, before[step]):
                log.info("the checkpoint of step %d is in %s", step, self._store.url)
        here = steps_here(self._output)
        changed = self._send_best()
        if here and max(here) in self._sent and (changed or self._sent - here.keys()):
            self._prune(set(here))

    def _send_parameters(self) -> None:
        path = self._output / PARAMETERS
        if not self._parameters and path.is_file():
            self._store.upload(path, PARAMETERS)
            self._parameters = True

    def _send(self, step: int, folder: Path) -> bool:
        """Upload one checkpoint, from links that its rotation cannot take away; returns whether it is new."""
        linked = self._staging / folder.name
        shutil.rmtree(linked, ignore_errors=True)
        linked.mkdir(parents=True)
        try:
            for path in sorted(path for path in folder.iterdir() if path.is_file()):
                os.link(path, linked / path.name)
            new = send_checkpoint(linked, self._store, self._journal)
        except FileNotFoundError:
            # Rotated away before all of its files were linked.
            return False
        finally:
            shutil.rmtree(linked, ignore_errors=True)
        self._sent.add(step)
        return new

    def _send_best(self) -> bool:
        """Upload best.json if it names a checkpoint that is there; returns whether it is new."""
        try:
            content = (self._output / BEST).read_bytes()
        except FileNotFoundError:
            return False
        if content == self._best or best_step(content) not in self._sent:
            return False
        self._store.write(BEST, content)
        self._best = content
        return True

    def _prune(self, here: set[int]) -> None:
        keep = set(here)
        if self._best is not None:
            keep.add(best_step(self._best) or 0)
        remove_checkpoints(self._store, keep)
        self._sent &= keep


def _cut_unfinished_line(path: Path) -> None:
    """Drop what follows the last newline: it is still being written."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - (1 << 16))
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)
