"""`jobs/NAME/index.json`: the summaries of COMPLETED versions, so that a list of thousands needs few requests.

Nothing is decided by the index. Which versions there are is asked of the store each time; a COMPLETED version never
changes, so its summary cannot go stale; whatever the index lacks, or all of it if it is unreadable, is read from the
versions themselves, and the index is written anew.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from facejobs.jobs.errors import VersionDamagedError, VersionNotFoundError
from facejobs.jobs.status import State
from facejobs.jobs.version_summary import VersionSummary, summarise
from facejobs.jobs.versions import VersionFolder, VersionStore
from facejobs.storage.errors import NotFoundError, StorageError
from facejobs.storage.store import ObjectStore

INDEX = "index.json"
THREADS = 32
# Fewer missing versions than this are quicker read again than the index is written.
_WORTH_WRITING = 20


class Listing(NamedTuple):
    """The versions of a job by ascending number, and what could not be read, in words."""

    versions: list[VersionSummary]
    damaged: list[str]


class _Index(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: Literal[1] = 1
    written: datetime
    versions: list[VersionSummary]


def list_versions(store: VersionStore, job: str, advance: Callable[[int, int], None] = lambda *_: None) -> Listing:
    """Summaries of every version; `advance(done, in_all)` is called as they are read."""
    folder = store.job_store(job)
    numbers = store.versions(job)
    indexed = _read_index(folder)
    missing = [store.folder(job, number) for number in numbers if number not in indexed]
    read: list[VersionSummary] = []
    damaged: list[str] = []
    for item in _read_all(missing, len(numbers), advance):
        if isinstance(item, VersionSummary):
            read.append(item)
        elif item is not None:
            damaged.append(item)
    there = set(numbers)
    known = [summary for number, summary in indexed.items() if number in there]
    final = [summary for summary in read if summary.state is State.COMPLETED]
    if len(final) >= _WORTH_WRITING:
        _write_index(folder, known + final)
    return Listing(sorted(known + read, key=lambda summary: summary.number), damaged)


def drop_stale_index(folder: ObjectStore, number: int) -> None:
    """Drop the index if it knows a version of a number that was free just now; the next list builds it again."""
    if number in _read_index(folder):
        folder.delete([INDEX])


def _read_all(
    folders: list[VersionFolder], total: int, advance: Callable[[int, int], None]
) -> Iterable[VersionSummary | str | None]:
    done = total - len(folders)
    with ThreadPoolExecutor(THREADS) as pool:
        for item in pool.map(_read, folders):
            done += 1
            advance(done, total)
            yield item


def _read(folder: VersionFolder) -> VersionSummary | str | None:
    try:
        return summarise(folder)
    except VersionNotFoundError:
        # Deleted since the store was asked, or a folder in which a claimer died before it had the number.
        return None
    except VersionDamagedError as error:
        return str(error)


def _read_index(folder: ObjectStore) -> dict[int, VersionSummary]:
    try:
        index = _Index.model_validate_json(folder.read(INDEX))
    except (NotFoundError, ValidationError):
        return {}
    return {item.number: item for item in index.versions if item.state is State.COMPLETED}


def _write_index(folder: ObjectStore, versions: list[Any]) -> None:
    index = _Index(written=datetime.now(UTC), versions=sorted(versions, key=lambda summary: summary.number))
    try:
        folder.write(INDEX, index.model_dump_json().encode())
    except (StorageError, OSError):
        # Whoever may only read the store lists it all the same.
        return
