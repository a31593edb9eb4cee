"""Draw in several processes, in an order that does not depend on how many."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Thread
from types import FrameType
from typing import Protocol, TypeVar

import cv2

Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]

_STOPS = (signal.SIGTERM, signal.SIGINT)
_LAST_SECONDS = 10


class OrderedMap(Protocol):
    """Applies a function to numbers and yields the results in their order."""

    def __call__(self, function: Callable[[int], Result], numbers: Iterable[int], /) -> Iterator[Result]: ...


def silent(what: str, done: int, total: int) -> None:
    """Progress nobody asked to see."""


@contextmanager
def ordered_workers(processes: int) -> Iterator[OrderedMap]:
    """Fresh processes rather than forks, which would copy OpenCV's threads in an unknown state; 1 is this process."""
    if processes <= 1:
        yield map
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _prepare) as pool:
        try:
            yield partial(_map, pool)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _map(pool: ProcessPoolExecutor, function: Callable[[int], Result], numbers: Iterable[int], /) -> Iterator[Result]:
    # Inherited by the processes that this starts, which have no handlers before `_prepare`.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        return pool.map(function, numbers)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare() -> None:
    signal.signal(signal.SIGTERM, _end_soon)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    cv2.setNumThreads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_soon(_number: int, _frame: FrameType | None) -> None:
    """Leave the parent time to end its workers in order.

    What signals a whole group signals both, and a pool whose workers die while it ends prints a traceback. A pool that
    is broken, though, ends them by SIGTERM alone.
    """
    signal.alarm(_LAST_SECONDS)


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, and they would wait for work for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
