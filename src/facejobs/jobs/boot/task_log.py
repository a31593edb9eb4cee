"""The task's log: one stream to stdout and to a file, with the values of secrets left out."""

import contextlib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from facejobs.storage.whole_file import naming

HIDDEN = b"***"
_LINE_END = re.compile(rb"[\r\n]")
_LONGEST_LINE = 1 << 16


class SecretFilter:
    """Replaces values by `***`; a value of several lines is hidden line by line, as a log may show one of them."""

    def __init__(self, values: Iterable[str]) -> None:
        parts = {line for value in values for line in value.splitlines() if line.strip()}
        encoded = sorted((part.encode(errors="surrogateescape") for part in parts), key=len, reverse=True)
        self.longest = max(map(len, encoded), default=0)
        self._pattern = re.compile(b"|".join(map(re.escape, encoded))) if encoded else None

    def clean(self, data: bytes) -> bytes:
        """`data` without secrets that lie in it wholly."""
        return self._pattern.sub(HIDDEN, data) if self._pattern else data


class TaskLog:
    """Appends to `path` and to the open file `stdout`, whole lines at a time; safe to use from several threads.

    The file of another task is replaced: its first line, `heading`, tells whose it is.
    """

    def __init__(self, path: Path, heading: str, secrets: SecretFilter, stdout: int) -> None:
        self.path = path
        self._secrets = secrets
        self._stdout: int | None = stdout
        self._lock = Lock()
        first = heading.encode() + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not through a link: the name is known to everybody who can write to /tmp.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self.own = os.pread(self._file, len(first), 0) == first
        if not self.own:
            os.ftruncate(self._file, 0)
            with naming(path):
                _write_all(self._file, first)

    def restore(self, earlier: bytes) -> None:
        """Begin with what an earlier attempt logged on another machine, its heading included."""
        with self._lock:
            os.ftruncate(self._file, 0)
            with naming(self.path):
                _write_all(self._file, earlier if earlier.endswith(b"\n") else earlier + b"\n")

    def write(self, data: bytes) -> None:
        """Log bytes that end where no secret is cut in two."""
        data = self._secrets.clean(data)
        with self._lock:
            # A full disk must not end the training; what the command prints goes to stdout still.
            with contextlib.suppress(OSError):
                _write_all(self._file, data)
            if self._stdout is not None:
                try:
                    _write_all(self._stdout, data)
                except OSError:
                    self._stdout = None

    def pump(self, stream: BinaryIO) -> None:
        """Log everything from `stream`, line by line, until its end."""
        rest = b""
        while data := os.read(stream.fileno(), 1 << 16):
            rest += data
            end = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
            if not end and len(rest) > _LONGEST_LINE:
                # Cleaned before it is cut, and cut where no secret can begin and go on in what is yet to come.
                rest = self._secrets.clean(rest)
                end = len(rest) - self._secrets.longest
            if end > 0:
                self.write(rest[:end])
                rest = rest[end:]
        if rest:
            self.write(rest + b"\n")

    def close(self) -> None:
        """Close the file; nothing may be written afterwards."""
        os.close(self._file)


class LogHandler(logging.Handler):
    """Sends what facejobs itself logs into the task's log."""

    def __init__(self, task_log: TaskLog) -> None:
        super().__init__()
        self._log = task_log
        self.setFormatter(logging.Formatter("%(asctime)s facejobs: %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as a line."""
        self._log.write(self.format(record).encode(errors="replace") + b"\n")


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
