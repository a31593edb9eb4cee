"""The slots and GPUs of this machine, and the queue for them: first come, first served, over all users' processes.

Everything is a file lock of a living process: whoever dies, however, frees what it held and leaves the queue.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from facejobs.jobs.errors import JobError

SLOTS = "FACEJOBS_SLOTS"
GPUS = "FACEJOBS_GPUS"
_POLL_SECONDS = 0.3


class QueueLeftError(Exception):
    """The job was asked to stop while it was waiting."""


def state_folder() -> Path:
    """Where this user's jobs keep what belongs to this machine (XDG base directories)."""
    root = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(root) / "facejobs"


def slot_count() -> int:
    """How many jobs without GPUs run at once: `FACEJOBS_SLOTS`, else one."""
    return _count(SLOTS, 1)


def gpu_count() -> int:
    """How many GPUs this machine has: `FACEJOBS_GPUS`, else what nvidia-smi lists."""
    return _count(GPUS, _listed_gpus() if not os.environ.get(GPUS) else 0)


def _count(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise JobError(f"{name} is {text!r}: it must be a whole number")
    return int(text)


def _listed_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listing.splitlines())


@dataclass
class Held:
    """Context manager: what a job holds. `numbers` are those of its slots or GPUs; `files` are the locks themselves.

    A process that inherits the files holds the resources too, for as long as it lives.
    """

    numbers: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Give everything back."""
        while self.files:
            os.close(self.files.pop())
        self.numbers.clear()


@dataclass(frozen=True)
class Ticket:
    """A place in a queue: a numbered file, kept by whichever process has it open and locked."""

    path: Path
    file: int

    def close(self) -> None:
        """Leave the queue."""
        self.path.unlink(missing_ok=True)
        os.close(self.file)


class Pool:
    """`total` equal things of this machine, kept as lock files in a folder of their own."""

    def __init__(self, kind: str, total: int, folder: Path | None = None) -> None:
        self._kind, self._total = kind, total
        self._folder = (folder or state_folder() / "queue") / kind

    def join(self) -> Ticket:
        """Take the next place in the queue."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "queue.lock").open("w") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            number = max((int(path.stem) for path in self._tickets()), default=0) + 1
            path = self._folder / f"{number:09d}.ticket"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
        return Ticket(path, file)

    def wait(self, ticket: Ticket, wanted: int, left: Callable[[], bool], position: Callable[[int], None]) -> Held:
        """Queue for `wanted` of them; returns when all are held. The ticket is used up, whatever happens.

        `left` is asked again and again whether to give up (QueueLeftError); `position` is told how many wait before
        this one whenever that changes. Raises JobError if there will never be enough, or if somebody removes the
        queue.
        """
        told: int | None = None
        with contextlib.closing(ticket):
            if wanted > self._total:
                raise JobError(f"the job asks for {wanted} {self._kind}; this machine has {self._total}")
            while True:
                before = self._before(ticket.path)
                if before == 0 and (held := self._take(wanted)):
                    return held
                if before != told:
                    position(before)
                    told = before
                if left():
                    raise QueueLeftError
                if not ticket.path.exists():
                    raise JobError(f"its place in the queue, {ticket.path}, was removed while it was waiting")
                time.sleep(_POLL_SECONDS)

    def _tickets(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.ticket") if path.stem.isdigit())

    def _before(self, own: Path) -> int:
        """How many wait before `own`; tickets of the dead are taken out."""
        waiting = 0
        for path in self._tickets():
            if path >= own:
                break
            file = _lock(path, create=False)
            if file is None:
                waiting += path.exists()
            else:
                path.unlink(missing_ok=True)
                os.close(file)
        return waiting

    def _take(self, wanted: int) -> Held | None:
        held = Held()
        for number in range(self._total):
            if len(held.files) == wanted:
                break
            file = _lock(self._folder / f"{number}.lock", create=True)
            if file is not None:
                held.files.append(file)
                held.numbers.append(number)
        if len(held.files) == wanted:
            return held
        held.release()
        return None


def pool_for(gpus: int) -> Pool:
    """Where a job waits: for GPUs if it needs some, else for a slot."""
    return Pool("GPUs", gpu_count()) if gpus else Pool("slots", slot_count())


def _lock(path: Path, create: bool) -> int | None:
    """An exclusive lock of a file, as an open file; None if somebody else has it or it is gone."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file
