"""Many photographs: which ones a folder holds, and reading them while something else computes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from facejobs.data.detection.photographs import Photograph, read_photograph
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
AT_ONCE = 2
"""Photographs worked on at once: few, since a large one takes much memory."""

Result = TypeVar("Result")


def find_photographs(place: Path) -> list[Path]:
    """Return `place` if it is a file, else the photographs below it in order of their paths, hidden ones left out.

    Raises DataError where there is none.
    """
    if place.is_file():
        return [place]
    if not place.exists():
        raise DataError(f"{place}: no such photograph or folder")
    if not place.is_dir():
        raise DataError(f"{place}: neither a photograph nor a folder")
    found: list[Path] = []
    with reading(place):
        for folder, folders, names in os.walk(place, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [
                Path(folder, name)
                for name in names
                if not name.startswith(".") and Path(name).suffix.lower() in PHOTOGRAPH_SUFFIXES
            ]
    if not found:
        kinds = ", ".join(sorted(PHOTOGRAPH_SUFFIXES))
        raise DataError(f"{place}: no photograph in this folder or below it; looked for {kinds}")
    return sorted(found)


def read_ahead(paths: Sequence[Path]) -> Iterator[tuple[Path, Photograph | DataError]]:
    """Yield each path with its photograph, in order, or with the error where it cannot be read.

    Two photographs are read while the last one is in use.
    """
    return work_ahead(_read, paths)


def threads_of_each(photographs: int) -> int:
    """Return how many cores a net may use where `work_ahead` goes through so many photographs.

    Nets that share all cores wait for each other.
    """
    return max(1, len(os.sched_getaffinity(0)) // min(AT_ONCE, photographs))


def work_ahead(work: Callable[[Path], Result], paths: Iterable[Path]) -> Iterator[tuple[Path, Result]]:
    """Yield each path with what `work` makes of it, in order; two are worked on while the last result is in use.

    Raises what `work` raises.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ahead") as pool:
        waiting: deque[tuple[Path, Future[Result]]] = deque()
        for path in paths:
            waiting.append((path, pool.submit(work, path)))
            if len(waiting) > AT_ONCE:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())


def _finished(path: Path, future: Future[Result]) -> tuple[Path, Result]:
    return path, future.result()


def _read(path: Path) -> Photograph | DataError:
    try:
        return read_photograph(path)
    except DataError as error:
        return error


def _raise(error: OSError) -> None:
    raise error
