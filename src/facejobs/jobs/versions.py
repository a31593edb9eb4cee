"""The version store: `jobs/NAME/V0001/` in a directory or a bucket, without a server (docs/reference/version-store.md).

A number belongs to whoever manages to write its `version.json` first. That object is never changed afterwards; a
deletion leaves a tombstone in its place, so a number is never used twice.
"""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from facejobs.jobs.errors import WHAT_TO_DO, JobError, SpecError, VersionDamagedError, VersionNotFoundError
from facejobs.jobs.references import parse_reference
from facejobs.jobs.spec import JOB_NAME
from facejobs.jobs.version_record import RECORD, Tombstone, VersionRecord, parse_record, version_name, version_number
from facejobs.storage import environment as contract
from facejobs.storage.errors import NotFoundError, StorageError
from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore
from facejobs.storage.url import is_remote

DEFAULT_STORE = ".facejobs"
DELETED = "deleted"
_CLAIM_ATTEMPTS = 100_000


class VersionFolder:
    """One version: its folder in the store and what its `version.json` says."""

    def __init__(self, job: str, number: int, store: ObjectStore) -> None:
        self.job = job
        self.number = number
        self.store = store

    @property
    def name(self) -> str:
        """`V0001`."""
        return version_name(self.number)

    @property
    def url(self) -> str:
        """Where the folder is."""
        return self.store.url

    @cached_property
    def content(self) -> VersionRecord | Tombstone:
        """What `version.json` holds, read once; VersionNotFoundError, VersionDamagedError."""
        try:
            return parse_record(self.store.read(RECORD), self.store.url_of(RECORD))
        except NotFoundError:
            raise VersionNotFoundError(f"{self.job} has no version {self.name} in {self.url}") from None

    @property
    def record(self) -> VersionRecord:
        """What the version is; VersionNotFoundError if it was deleted."""
        if isinstance(self.content, Tombstone):
            when = self.content.deleted.astimezone().strftime("%Y-%m-%d %H:%M")
            raise VersionNotFoundError(f"{self.job} {self.name} was deleted on {when} by {self.content.by}")
        return self.content

    def __str__(self) -> str:
        return f"{self.job} {self.name}"

    def __repr__(self) -> str:
        return f"VersionFolder({self.job!r}, {self.number}, {self.url!r})"


def record_fault(folder: VersionFolder) -> str | None:
    """Why nothing is known of a version that has files; None if it has a record or a tombstone, or no file at all."""
    try:
        folder.content  # noqa: B018
    except VersionDamagedError as error:
        return str(error)
    except VersionNotFoundError:
        if next(folder.store.list(), None) is not None:
            return f"{folder.url} has files, but its {RECORD} is gone{WHAT_TO_DO}"
    return None


class VersionStore:
    """All jobs and versions below one root."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.url = store.url

    def jobs(self) -> list[str]:
        """Names of all jobs, ascending."""
        return [name for name in self.store.folders("jobs") if JOB_NAME.fullmatch(name)]

    def versions(self, job: str) -> list[int]:
        """Numbers of the versions that are there, ascending: without deleted ones, nor those that are being deleted."""
        deleted = self._deleted(job)
        return [number for number in self._numbers(job) if number not in deleted]

    def get(self, job: str, number: int) -> VersionFolder:
        """One version; VersionNotFoundError naming the versions there are."""
        folder = self.folder(job, number)
        try:
            folder.record  # noqa: B018
        except VersionNotFoundError as error:
            raise VersionNotFoundError(f"{error}; {self._what_there_is(job)}") from None
        return folder

    def claim(self, job: str, make_record: Callable[[int], VersionRecord]) -> VersionFolder:
        """Take the next free number by writing its record, which `make_record` makes for a number.

        Numbers are consecutive: one is only tried when the one before it is known to be taken. Safe with any number
        of processes on any machines; a process that dies here leaves either a whole version or nothing.
        """
        number = self._last_taken(job)
        for _ in range(_CLAIM_ATTEMPTS):
            number += 1
            record = make_record(number)
            folder = self.folder(job, number)
            if folder.store.write_if_absent(RECORD, record.model_dump_json(indent=1).encode()):
                folder.content = record
                return folder
        raise JobError(f"no free number found for {job} in {self.url}")

    def next_folder(self, job: str) -> VersionFolder:
        """The folder that the next claim takes, unless another one comes first; nothing is written."""
        return self.folder(job, self._last_taken(job) + 1)

    def find(self, job: str, version: str | None = None) -> VersionFolder:
        """The version that was typed: `find("J", "3")`, `("J", "V0003")`, `("J@last")` or `("J@best:METRIC")`.

        Raises SpecError if the text names no version, VersionNotFoundError if there is none such.
        """
        reference = parse_reference(job, version)
        if reference.number is not None:
            return self.get(reference.job, reference.number)
        if reference.best is not None:
            from facejobs.jobs.best_version import best_version

            return best_version(self, reference.job, reference.best)
        for number in reversed(self.versions(reference.job)):
            folder = self.folder(reference.job, number)
            if folder.store.stat(RECORD) is not None:
                return self.get(reference.job, number)
        raise VersionNotFoundError(self._what_there_is(reference.job))

    def job_store(self, job: str) -> ObjectStore:
        """The folder of one job, which holds those of its versions; SpecError if that is no name of a job."""
        if not JOB_NAME.fullmatch(job):
            raise SpecError(f"{job!r} is no name of a job: 1 to 64 letters, digits, '_' or '-', the first no '-'")
        return self.store.below(f"jobs/{job}")

    def folder(self, job: str, number: int) -> VersionFolder:
        """The folder of a number, whether there is such a version or not."""
        return VersionFolder(job, number, self.job_store(job).below(version_name(number)))

    def _numbers(self, job: str) -> list[int]:
        numbers = (version_number(name) for name in self.job_store(job).folders())
        return sorted(number for number in numbers if number is not None)

    def _last_taken(self, job: str) -> int:
        """The highest number with a record; a claimer that died on a disk may have left an empty folder above it."""
        for number in reversed(self._numbers(job)):
            if self.folder(job, number).store.stat(RECORD) is not None:
                return number
        return 0

    def _deleted(self, job: str) -> set[int]:
        names = (info.key.removesuffix(".json") for info in self.job_store(job).below(DELETED).list())
        return {number for number in map(version_number, names) if number is not None}

    def _what_there_is(self, job: str) -> str:
        numbers = self.versions(job)
        if numbers:
            several = f"{version_name(numbers[0])} to {version_name(numbers[-1])}"
            return f"there is {several if len(numbers) > 1 else version_name(numbers[0])}"
        jobs = self.jobs()
        if job in jobs:
            return f"{job} has no version left in {self.url}"
        there = f"there is {', '.join(jobs[:8])}" if jobs else "it holds no job yet"
        return f"{self.url} holds no job {job}; {there}"


def open_version_store(url: str | None = None) -> VersionStore:
    """The store at `url`, else at FACEJOBS_STORE, else in `.facejobs` here; StorageError for a bad URL or a file."""
    chosen = url or os.environ.get(contract.STORE) or DEFAULT_STORE
    place = Path(chosen)
    if not is_remote(chosen) and place.exists() and not place.is_dir():
        raise StorageError(f"{chosen} is a file, not a folder that versions are kept in; name a folder or s3://BUCKET")
    return VersionStore(open_store(chosen))
