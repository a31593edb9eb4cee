"""Notices that nothing progresses, shows where every thread is, and ends a process whose main thread may be blocked."""

import faulthandler
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import NoReturn

log = logging.getLogger(__name__)

_STANDARD_ERROR = 2
_MOST_SECONDS_BETWEEN_LOOKS = 5.0
# A look that is later than this was not made in time because nothing of the process ran.
_LATE_SECONDS = 1.0


class HangWatch:
    """A thread that calls `on_hang` with the seconds once nothing `progressed` for so long. Begins at the first one.

    Time in which the whole process was stopped, by Ctrl-Z or by a scheduler that suspends its job, does not count.
    """

    def __init__(self, seconds: float, on_hang: Callable[[float], None]) -> None:
        self._seconds, self._on_hang = seconds, on_hang
        self._end = Event()
        self._latest = 0.0
        self._thread: Thread | None = None

    def progressed(self) -> None:
        """Something was done."""
        self._latest = time.monotonic()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="hang watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._end.set()

    def _run(self) -> None:
        pause, looked = min(_MOST_SECONDS_BETWEEN_LOOKS, self._seconds / 10), time.monotonic()
        while not self._end.wait(pause):
            now = time.monotonic()
            if now - looked > pause + _LATE_SECONDS:
                self._latest += now - looked
            looked = now
            if now - self._latest > self._seconds:
                self._on_hang(self._seconds)
                return


def dump_stacks(whose: str) -> None:
    """Print where every thread is; it works while the main thread is blocked in MXNet."""
    with suppress(OSError, ValueError):
        os.write(_STANDARD_ERROR, f"stacks of {whose}:\n".encode())
        faulthandler.dump_traceback(_STANDARD_ERROR)


def leave(code: int, message: str = "") -> NoReturn:
    """End this process at once, from any thread, after an error message.

    The main thread may be blocked for ever in an exchange with a worker that is gone, so it cannot be asked.
    """
    with suppress(OSError, ValueError):
        if message:
            print(f"error: {message}", file=sys.stderr)
        sys.stderr.flush()
        sys.stdout.flush()
    os._exit(code)
