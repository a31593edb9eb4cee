"""SIGTERM, Ctrl-C and the time limit, as a request that each step of a task answers in its own way."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self


class StopRequestedError(BaseException):
    """Raised by a stop signal within `StopRequest.interrupting`; no library takes it for an error of its own."""


class StopRequest:
    """Context manager that takes the signals: `reason` is set by the first one, `again` by one that is no repetition.

    With a `time_limit` in seconds the clock runs from entering the context, and its end is a request too.
    """

    _SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    # timeout(1) and schedulers signal a process and then its whole group: one wish arrives twice.
    _ONE_WISH_SECONDS = 1.0

    def __init__(self, time_limit: float | None = None) -> None:
        self.reason: str | None = None
        self.again = False
        self.timed_out = False
        self._time_limit = time_limit
        self._interrupting = False

    def __enter__(self) -> Self:
        for number in self._SIGNALS:
            # nohup: who starts a task so that it ignores SIGHUP wants it to go on.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        if self._time_limit is not None:
            signal.signal(signal.SIGALRM, self._handle)
            signal.setitimer(signal.ITIMER_REAL, self._time_limit)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGALRM:
            if self.reason is None:
                self.timed_out = True
                self.reason = f"the time limit of {self._time_limit:g} s was reached"
        elif self.reason is None:
            self.reason = f"stopped by {signal.Signals(number).name}"
            self._since = time.monotonic()
        elif self.timed_out or time.monotonic() - self._since > self._ONE_WISH_SECONDS:
            self.again = True
        if self._interrupting:
            self._interrupting = False
            raise StopRequestedError

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """While in here a request raises StopRequestedError in the main thread, at once."""
        if self.reason is not None:
            raise StopRequestedError
        self._interrupting = True
        try:
            yield
        finally:
            self._interrupting = False

    def disarm(self) -> None:
        """The command has ended: its time limit is met."""
        signal.setitimer(signal.ITIMER_REAL, 0)
