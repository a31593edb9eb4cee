"""Removes a version. Its number is never given to another one."""

from datetime import UTC, datetime

from facejobs.jobs.environment_facts import submitter
from facejobs.jobs.errors import JobError, VersionDamagedError, VersionNotFoundError
from facejobs.jobs.liveness import effective_state, heard_of
from facejobs.jobs.references import parse_reference
from facejobs.jobs.status import STATUS, State, read_status
from facejobs.jobs.version_index import list_versions
from facejobs.jobs.version_record import RECORD, Tombstone
from facejobs.jobs.versions import DELETED, VersionFolder, VersionStore, record_fault


def find_deletable(store: VersionStore, job: str, version: str | None, force: bool) -> VersionFolder:
    """The version that was typed; with `force` a number will do whose record is damaged, or gone but for other files.

    Raises what `VersionStore.find` does.
    """
    try:
        return store.find(job, version)
    except (VersionDamagedError, VersionNotFoundError):
        reference = parse_reference(job, version)
        if not force or reference.number is None:
            raise
        folder = store.folder(reference.job, reference.number)
        if record_fault(folder) is None:
            raise
        return folder


def descendants(store: VersionStore, version: VersionFolder) -> list[str]:
    """Names of the versions that were modified from this one, directly or over others."""
    children: dict[str, list[str]] = {}
    for summary in list_versions(store, version.job).versions:
        if summary.parent:
            children.setdefault(summary.parent, []).append(summary.version)
    found: list[str] = []
    waiting = [version.name]
    while waiting:
        # A parent is always older, so no version is met twice.
        waiting = [child for parent in waiting for child in children.get(parent, [])]
        found += waiting
    return sorted(set(found))


def check_deletable(store: VersionStore, version: VersionFolder, force: bool) -> None:
    """JobError if it runs or waits, or if others descend from it and `force` is not given.

    With `force` a damaged status is no obstacle, unless a task gave a sign of life lately.
    A version whose deletion was cut off passed this check before, and may have lost its status since.
    """
    if store.job_store(version.job).stat(_mark(version)) is not None:
        return
    try:
        state = effective_state(read_status(version.store), version.store)
    except VersionDamagedError:
        if not force:
            raise
        state = State.RUNNING if heard_of(version.store) else State.LOST
    if not state.ended:
        raise JobError(f"{version.job} {version.name} is {state}: `facejobs stop {version.job} {version.name}` first")
    if force:
        return
    others = descendants(store, version)
    if others:
        raise JobError(
            f"{', '.join(others)} of {version.job} came from {version.name}: deleting it loses what they are compared "
            "with; --force deletes it all the same"
        )


def delete_version(store: VersionStore, version: VersionFolder) -> int:
    """Remove every object of a version; returns how many bytes that was. Repeating it finishes one that was cut off.

    A mark hides the version first; the record goes last, and a tombstone takes its place in one step, so that at no
    moment a claim finds the number free.
    """
    job = store.job_store(version.job)
    tombstone = Tombstone(job=version.job, version=version.name, deleted=datetime.now(UTC), by=submitter())
    text = tombstone.model_dump_json(indent=1).encode()
    job.write(_mark(version), text)
    objects = list(version.store.list())
    # The status goes late too: what is half deleted still says that it has ended.
    first = [info.key for info in objects if info.key not in (RECORD, STATUS)]
    version.store.delete(first)
    version.store.delete([STATUS])
    version.store.write(RECORD, text)
    return sum(info.size for info in objects)


def _mark(version: VersionFolder) -> str:
    return f"{DELETED}/{version.name}.json"
