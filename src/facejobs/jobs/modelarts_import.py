"""Turns exported ModelArts V1 versions into versions of a store: with parents, metrics, times and how they ended.

An imported version says in `by` which one of ModelArts' it is, in the one object that is written first and never
changed: so a second import adds nothing, and one that was cut off is completed.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from facejobs.jobs.backends.modelarts_status import NativeStatus, v1_status
from facejobs.jobs.backends.native import NATIVE, NativeJob, write_native
from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.errors import JobError
from facejobs.jobs.metric_history import JOURNAL
from facejobs.jobs.modelarts_export import Export, ExportedVersion
from facejobs.jobs.modelarts_spec import to_spec
from facejobs.jobs.secrets import holds_credentials
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import STATUS, State, Status, Transition, write_status
from facejobs.jobs.version_index import drop_stale_index
from facejobs.jobs.version_record import RECORD, BackendBlock, VersionRecord, version_name, version_number
from facejobs.jobs.versions import VersionFolder, VersionStore

FACTS = "modelarts.json"
_BY = "ModelArts job {} version {}"
_IMPORTED = re.compile(r"ModelArts job (\d+) version (\d+)")
_KEPT = (
    "job_id", "version_id", "version_name", "pre_version_id", "status", "create_time", "start_time", "duration",
    "engine_name", "engine_version", "app_url", "boot_file_url", "train_url", "log_url", "dataset_id",
    "dataset_version_id", "spec_id", "pool_id",
)  # fmt: skip
_METRICS = ("f1_score", "recall", "precision", "accuracy")
_MOST_NUMBERS = 10_000


@dataclass(frozen=True)
class Imported:
    """What became of one exported version; `version` is None where it was not imported, and `notes` say why."""

    job: str
    native_id: str
    native_name: str
    version: str | None
    new: bool
    notes: tuple[str, ...] = ()


@dataclass
class _Job:
    """The versions of one job, and which of ours each of ModelArts' is."""

    store: VersionStore
    name: str
    ours: dict[int, VersionFolder] = field(default_factory=dict)


def import_versions(export: Export, store: VersionStore) -> Iterator[Imported]:
    """Import every version, parents before children, the oldest first; yields each as it is done.

    Everything is translated before anything is written. Raises ExportError, JobError, StorageError.
    """
    ordered = [version for _, versions in sorted(_by_job(export).items()) for version in _parents_first(versions)]
    translated = [(version, to_spec(version)) for version in ordered]
    wanted: dict[str, set[int]] = {}
    for version in ordered:
        wanted.setdefault(version.job_name, set()).add(version_number(version.version_name or "") or 0)
    jobs: dict[str, _Job] = {}
    for version, translation in translated:
        if version.job_name not in jobs:
            jobs[version.job_name] = _open_job(store, version.job_name)
        job = jobs[version.job_name]
        status = v1_status(version.status)
        if status.state in (State.PENDING, State.RUNNING):
            note = f"had not ended when it was exported ({status.name}): export it again when it has"
            yield _imported(version, None, False, [note])
            continue
        there = job.ours.get(version.version_id)
        if there is not None:
            _complete(there, version, status)
            yield _imported(version, there.name, False, [])
            continue
        notes = list(translation.notes)
        parent = _parent(version, job, notes)
        folder = _claim(job, version, translation.spec, parent, max(wanted[version.job_name]))
        if folder.name != version.version_name:
            notes.append(f"its number {version.version_name} is taken, or is none: it became {folder.name}")
        job.ours[version.version_id] = folder
        _complete(folder, version, status)
        drop_stale_index(store.job_store(version.job_name), folder.number)
        yield _imported(version, folder.name, True, notes)


def _imported(version: ExportedVersion, name: str | None, new: bool, notes: list[str]) -> Imported:
    native_name = version.version_name or str(version.version_id)
    return Imported(version.job_name, version.native_id, native_name, name, new, tuple(notes))


def _by_job(export: Export) -> dict[str, list[ExportedVersion]]:
    found: dict[str, list[ExportedVersion]] = {}
    for version in export.versions.values():
        found.setdefault(version.job_name, []).append(version)
    return found


def _parents_first(versions: list[ExportedVersion]) -> list[ExportedVersion]:
    """By time of creation, but a version never before the one it was made from."""
    by_id = {version.version_id: version for version in versions}
    ordered: dict[int, ExportedVersion] = {}
    for version in sorted(versions, key=lambda item: (item.create_time, item.version_id)):
        chain, current = [], version
        while current.version_id not in ordered and current not in chain:
            chain.append(current)
            current = by_id.get(current.pre_version_id or 0, current)
        ordered.update((item.version_id, item) for item in reversed(chain))
    return list(ordered.values())


def _open_job(store: VersionStore, name: str) -> _Job:
    """A job with the versions of it that were imported before."""
    job = _Job(store, name)
    for number in store.versions(name):
        folder = store.folder(name, number)
        try:
            match = _IMPORTED.fullmatch(folder.record.by)
        except JobError:
            continue
        if match:
            job.ours[int(match[2])] = folder
    return job


def _parent(version: ExportedVersion, job: _Job, notes: list[str]) -> str | None:
    if not version.pre_version_id:
        return None
    parent = job.ours.get(version.pre_version_id)
    if parent is None:
        notes.append(
            f"its parent, ModelArts' version {version.pre_version_id}, is not among the imported ones: left out"
        )
        return None
    return parent.name


def _claim(job: _Job, version: ExportedVersion, spec: JobSpec, parent: str | None, highest: int) -> VersionFolder:
    """Take ModelArts' own number if it is free, else the first one after all that are taken or exported."""
    number = version_number(version.version_name or "")
    if number is not None:
        folder = _write(job, number, version, spec, parent)
        if folder is not None:
            return folder
    first = max(job.store.next_folder(job.name).number, highest + 1)
    for number in range(first, first + _MOST_NUMBERS):
        folder = _write(job, number, version, spec, parent)
        if folder is not None:
            return folder
    raise JobError(f"no free number found for {job.name} in {job.store.url}")


def _write(job: _Job, number: int, version: ExportedVersion, spec: JobSpec, parent: str | None) -> VersionFolder | None:
    folder = job.store.folder(job.name, number)
    record = _record(number, version, spec, parent)
    if not folder.store.write_if_absent(RECORD, record.model_dump_json(indent=1).encode()):
        return None
    folder.content = record
    return folder


def _record(number: int, version: ExportedVersion, spec: JobSpec, parent: str | None) -> VersionRecord:
    return VersionRecord(
        job=spec.name,
        version=version_name(number),
        spec=spec,
        parent=parent,
        created=_time(version.create_time),
        by=_BY.format(version.job_id, version.version_id),
        backend=BackendBlock(name="modelarts", options=spec.backends["modelarts"]),
        code=CodeFacts(),
        environment=EnvironmentFacts(
            host="ModelArts",
            platform=" ".join(filter(None, [version.engine_name, version.engine_version])) or "an image of one's own",
            python="unknown",
            packages={},
            cpu="unknown",
            cpus=version.core or 0,
            memory=None,
        ),
    )


def _complete(folder: VersionFolder, version: ExportedVersion, status: NativeStatus) -> None:
    """Write what is still missing beside the record."""
    if folder.store.stat(STATUS) is None:
        write_status(folder.store, _history(version, status))
    if folder.store.stat(NATIVE) is None:
        write_native(folder.store, NativeJob(backend="modelarts", id=version.native_id))
    if folder.store.stat(FACTS) is None:
        told = version.model_dump(mode="json", include=set(_KEPT), exclude_none=True)
        facts = {name: value for name, value in told.items() if not holds_credentials(str(value))}
        folder.store.write(FACTS, json.dumps(facts, indent=1).encode())
    journal = _journal(version)
    if journal and folder.store.stat(JOURNAL) is None:
        folder.store.write(JOURNAL, journal)


def _history(version: ExportedVersion, status: NativeStatus) -> Status:
    created = _time(version.create_time)
    # ModelArts writes 0 where it never started.
    started = _time(version.start_time) if version.start_time else created
    ended = started + timedelta(milliseconds=max(0, version.duration or 0))
    state = status.state if status.state in (State.COMPLETED, State.STOPPED) else State.FAILED
    reason = f"imported: {status}" + ("; its outputs were not checked" if state is State.COMPLETED else "")
    transitions = [Transition(state=State.PENDING, time=created)]
    if version.start_time:
        transitions.append(Transition(state=State.RUNNING, time=started))
    transitions.append(Transition(state=state, time=ended, reason=reason))
    return Status(transitions=tuple(transitions))


def _journal(version: ExportedVersion) -> bytes:
    """The metrics that ModelArts' console compared versions by, as the one line of each that a journal holds."""
    metrics = version.model_metric_list
    if isinstance(metrics, str):
        try:
            metrics = json.loads(metrics)
        except ValueError:
            metrics = None
    total = metrics.get("total_metric") if isinstance(metrics, dict) else None
    values = total.get("total_metric_values") if isinstance(total, dict) else None
    if not isinstance(values, dict):
        return b""
    end = (version.start_time or version.create_time) / 1000 + (version.duration or 0) / 1000
    lines = [
        json.dumps({"step": 0, "name": name, "value": float(values[name]), "time": end})
        for name in _METRICS
        if isinstance(values.get(name), int | float) and math.isfinite(values[name])
    ]
    return "".join(line + "\n" for line in lines).encode()


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
