"""`jobs/NAME/index.json`: the summaries of versions that have ended, so that a list of thousands needs few requests.

Nothing is decided by the index. Which versions there are is asked of the store each time. A COMPLETED version never
changes, so its summary cannot go stale; of another one that has ended the summary holds while its status.json is the
same. Whatever the index lacks, or all of it if it is unreadable, is read from the versions themselves, and the index
is written anew.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from facejobs.jobs.errors import VersionDamagedError, VersionNotFoundError
from facejobs.jobs.status import STATUS, State, Status, parse_status
from facejobs.jobs.version_summary import VersionSummary, summarise
from facejobs.jobs.versions import VersionFolder, VersionStore, record_fault
from facejobs.storage.errors import NotFoundError, StorageError
from facejobs.storage.store import ObjectStore

INDEX = "index.json"
THREADS = 32
# Fewer new versions than this are quicker read again than the index is written.
_WORTH_WRITING = 20


class Listing(NamedTuple):
    """The versions of a job by ascending number, and what could not be read, in words."""

    versions: list[VersionSummary]
    damaged: list[str]


class _Entry(BaseModel):
    """A summary, and the SHA-256 of the status.json it was made from."""

    status: str
    summary: VersionSummary


class _Index(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: Literal[1] = 1
    written: AwareDatetime
    entries: list[_Entry]


class _Reading(NamedTuple):
    summary: VersionSummary
    entry: _Entry | None
    new: bool


def list_versions(store: VersionStore, job: str, advance: Callable[[int, int], None] = lambda *_: None) -> Listing:
    """Summaries of every version; `advance(done, in_all)` is called as they are read."""
    folder = store.job_store(job)
    numbers = store.versions(job)
    indexed = _read_index(folder)
    found: list[_Reading] = []
    damaged: list[str] = []
    unread = []
    for number in numbers:
        entry = indexed.get(number)
        if entry and entry.summary.state is State.COMPLETED:
            found.append(_Reading(entry.summary, entry, new=False))
        else:
            unread.append((store.folder(job, number), entry))
    for item in _read_all(unread, len(numbers), advance):
        if isinstance(item, _Reading):
            found.append(item)
        elif item is not None:
            damaged.append(item)
    if sum(item.new for item in found) >= _WORTH_WRITING:
        _write_index(folder, [item.entry for item in found if item.entry])
    return Listing(sorted((item.summary for item in found), key=lambda summary: summary.number), damaged)


def drop_stale_index(folder: ObjectStore, number: int) -> None:
    """Drop the index if it knows a version of a number that was free just now; the next list builds it again."""
    if number in _read_index(folder):
        folder.delete([INDEX])


def _read_all(
    unread: list[tuple[VersionFolder, _Entry | None]], total: int, advance: Callable[[int, int], None]
) -> Iterator[_Reading | str | None]:
    done = total - len(unread)
    with ThreadPoolExecutor(THREADS) as pool:
        for item in pool.map(lambda pair: _read(*pair), unread):
            done += 1
            advance(done, total)
            yield item


def _read(folder: VersionFolder, entry: _Entry | None) -> _Reading | str | None:
    try:
        try:
            data = folder.store.read(STATUS)
        except NotFoundError:
            return _Reading(summarise(folder, Status()), None, new=False)
        digest = hashlib.sha256(data).hexdigest()
        if entry and entry.status == digest:
            return _Reading(entry.summary, entry, new=False)
        status = parse_status(data, folder.store.url_of(STATUS))
        summary = summarise(folder, status)
    except VersionNotFoundError:
        # Without a fault: deleted since the store was asked, or left empty by a claimer that died.
        return record_fault(folder)
    except VersionDamagedError as error:
        return str(error)
    ended = status.state.ended
    return _Reading(summary, _Entry(status=digest, summary=summary) if ended else None, new=ended)


def _read_index(folder: ObjectStore) -> dict[int, _Entry]:
    try:
        index = _Index.model_validate_json(folder.read(INDEX))
    except (NotFoundError, ValidationError):
        return {}
    return {entry.summary.number: entry for entry in index.entries}


def _write_index(folder: ObjectStore, entries: list[_Entry]) -> None:
    index = _Index(written=datetime.now(UTC), entries=entries)
    try:
        folder.write(INDEX, index.model_dump_json().encode())
    except (StorageError, OSError):
        # Whoever may only read the store lists it all the same.
        return
