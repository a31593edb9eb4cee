"""Moves many files at once; one that fails is remembered, what would make all of them fail ends the whole."""

import errno
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from facejobs.storage.errors import AccessError, StorageError, UnreachableError

Item = TypeVar("Item")
Result = TypeVar("Result")

FILES_AT_ONCE = 16
_SHOWN = 5
_MOST_FAILURES = 50
# The disk of this machine takes no more, whatever the file.
_DISK_REFUSES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class Failures:
    """What went wrong with which file, in the order in which it did."""

    def __init__(self) -> None:
        self._causes: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._causes)

    def add(self, name: str, cause: str) -> None:
        """Remember why the file did not arrive."""
        self._causes[name] = cause

    def raise_any(self, error: type[StorageError], verdict: str, advice: str) -> None:
        """Raise `error` with the verdict and the first few files and causes, if there is any failure."""
        if not self._causes:
            return
        rows = [f"  {name}: {cause}" for name, cause in islice(self._causes.items(), _SHOWN)]
        if len(self._causes) > _SHOWN:
            rows.append(f"  and {len(self._causes) - _SHOWN} more")
        raise error("\n".join([f"{verdict}:", *rows, advice]))


def transfer(
    items: Iterable[Item], name_of: Callable[[Item], str], work: Callable[[Item], Result], failures: Failures
) -> Iterator[tuple[Item, Result]]:
    """Do `work` on the items in parallel threads; yield each with its result as it is done, in any order.

    A failure goes into `failures`. After one that all would share (no access, no server), or very many, no further
    item is begun. Raises OSError if the disk of this machine is full or read-only.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="transfer") as pool:
        running: dict[Future[Result], Item] = {}
        try:
            while True:
                # A bounded number is handed over, so that ending early leaves little behind.
                for item in islice(remaining, 2 * FILES_AT_ONCE - len(running)):
                    running[pool.submit(work, item)] = item
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    item = running.pop(future)
                    try:
                        result = future.result()
                    except (StorageError, OSError) as error:
                        failures.add(name_of(item), _cause(error))
                        if _ends_all(error) or len(failures) >= _MOST_FAILURES:
                            remaining = iter(())
                            running = {known: left for known, left in running.items() if not known.cancel()}
                        continue
                    yield item, result
        finally:
            for future in running:
                future.cancel()


def _cause(error: StorageError | OSError) -> str:
    if isinstance(error, OSError):
        if error.errno in _DISK_REFUSES:
            raise error
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return str(error)


def _ends_all(error: Exception) -> bool:
    return isinstance(error, AccessError | UnreachableError)
