"""SIGTERM and Ctrl-C as a wish the loop can see between two steps."""

import signal
import time
from types import FrameType, TracebackType
from typing import Self


class StopRequestedError(Exception):
    """Raised by `StopSignal.check` once a stop has been requested."""


class StopSignal:
    """Context manager; `requested` turns true at the first SIGTERM or SIGINT. A later one ends the process at once.

    Who leaves it after a request is about to end, and no longer hears of the same wish.
    """

    _SIGNALS = (signal.SIGTERM, signal.SIGINT)
    # timeout(1) and schedulers signal a process and then its whole group, and run_train.sh passes on what its command
    # got itself: one wish arrives twice, the second time late on a busy machine.
    _ONE_WISH_SECONDS = 5.0

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in self._SIGNALS}
        return self

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested, self._since = True, now
        elif now - self._since > self._ONE_WISH_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def check(self) -> None:
        """Raise StopRequestedError if a stop has been requested."""
        if self.requested:
            raise StopRequestedError

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._previous.items():
            # Ignored rather than handled: Python drops its handlers first when it ends, and would end by the signal.
            signal.signal(number, signal.SIG_IGN if self.requested else handler)
