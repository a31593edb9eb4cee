"""Draw in several processes, in an order that does not depend on how many."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Protocol, TypeVar

import cv2

Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]


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
            yield pool.map
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare() -> None:
    cv2.setNumThreads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, and they would wait for work for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
