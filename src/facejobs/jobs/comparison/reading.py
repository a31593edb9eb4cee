"""Reads from the version store what a comparison needs."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from facejobs.jobs.comparison.detection_resamples import read_resamples
from facejobs.jobs.comparison.noise import only_seed_differs, seed_group
from facejobs.jobs.comparison.pair_scores import read_pair_scores
from facejobs.jobs.comparison.run import Aspect, Fact, Run
from facejobs.jobs.comparison.search_record import read_search_record
from facejobs.jobs.errors import VersionDamagedError, VersionNotFoundError
from facejobs.jobs.liveness import effective_state
from facejobs.jobs.metric_history import read_history
from facejobs.jobs.status import State, read_status
from facejobs.jobs.version_record import VersionRecord
from facejobs.jobs.versions import VersionFolder, VersionStore
from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

PARAMETERS = "params.json"
_READERS = 32


def read_run(folder: VersionFolder, store: str | None = None) -> Run:
    """Everything of one version; files that are absent or damaged become notes. Raises StorageError.

    `store` is how the user named the store, if at all: commands that the comparison proposes name it too.
    """
    record, notes = folder.record, []
    written, damaged = _read_parameters(folder.store)
    scores, damaged_scores = read_pair_scores(folder.store)
    precisions, damaged_resamples = read_resamples(folder.store)
    searches, damaged_searches = read_search_record(folder.store)
    unread = [*damaged, *damaged_scores, *damaged_resamples, *damaged_searches]
    notes += [f"{key} cannot be read" for key in unread]
    if record.code.sha256 is None:
        notes.append("the code is not recorded (no git repository), so a change of it would not be seen")
    resolved = written.get("parameters")
    return Run(
        job=record.job,
        version=record.version,
        state=effective_state(read_status(folder.store), folder.store),
        given=record.spec.parameters,
        facts=_facts(record, written),
        resolved=resolved if isinstance(resolved, dict) else None,
        without_influence=_names(written.get("without_influence")),
        history=read_history(folder.store),
        scores=scores,
        precisions={precision.protocol: precision for precision in precisions},
        searches=searches,
        inputs=record.spec.inputs,
        store=store,
        parent=record.parent,
        description=record.spec.description,
        created=record.created,
        by=record.by,
        notes=tuple(notes),
    )


class SeedGroups:
    """Finds the versions of a job that share everything but the seed; reads each record of the job once."""

    def __init__(self, store: VersionStore, job: str) -> None:
        self._store = store
        self._job = job
        self._submitted: list[tuple[VersionFolder, Run]] | None = None
        self._read: dict[str, Run] = {}

    def of(self, run: Run) -> Sequence[Run]:
        """The finished ones, one for each seed; `run` among them if it is finished."""
        submitted = self._all()
        own = next((known for _, known in submitted if known.version == run.version), None)
        if own is None:
            return [run] if run.finished else []
        # As submitted, none says what has no influence; which do not share this run's view is seen once they are read.
        idle = run.without_influence
        own = replace(own, without_influence=idle)
        alike = [
            folder for folder, known in submitted if only_seed_differs(own, replace(known, without_influence=idle))
        ]
        unread = [folder for folder in alike if folder.name not in self._read]
        with ThreadPoolExecutor(_READERS) as pool:
            self._read |= {found.version: found for found in pool.map(read_run, unread)}
        return seed_group(run, [self._read[folder.name] for folder in alike])

    def _all(self) -> list[tuple[VersionFolder, Run]]:
        if self._submitted is None:
            with ThreadPoolExecutor(_READERS) as pool:
                found = list(pool.map(self._as_submitted, self._store.versions(self._job)))
            self._submitted = [item for item in found if item is not None]
        return self._submitted

    def _as_submitted(self, number: int) -> tuple[VersionFolder, Run] | None:
        try:
            folder = self._store.get(self._job, number)
        except (VersionNotFoundError, VersionDamagedError):
            # Deleted meanwhile, or damaged: no member of a group; naming it in a comparison says why.
            return None
        record = folder.record
        return folder, Run(record.job, record.version, State.PENDING, record.spec.parameters, _facts(record, {}))


def _read_parameters(store: ObjectStore) -> tuple[dict[str, Any], list[str]]:
    try:
        written = json.loads(store.read(PARAMETERS))
    except NotFoundError:
        return {}, []
    except (ValueError, RecursionError):
        return {}, [PARAMETERS]
    return (written, []) if isinstance(written, dict) else ({}, [PARAMETERS])


def _names(value: Any) -> frozenset[str]:
    return frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()


def _facts(record: VersionRecord, written: Mapping[str, Any]) -> dict[Fact, Any]:
    facts: dict[Fact, Any] = {Fact(Aspect.COMMAND, "command"): record.spec.command}
    facts |= _inputs(record, written)
    facts |= _software(record, written)
    if record.code.sha256 is not None:
        facts[Fact(Aspect.CODE, "code")] = _code(record)
    image = record.image_digest or record.spec.image
    if image is not None:
        facts[Fact(Aspect.IMAGE, "image")] = image
    for name, value in record.spec.environment.items():
        facts[Fact(Aspect.ENVIRONMENT, f"variable {name}")] = value
    return facts | _machine(record)


def _inputs(record: VersionRecord, written: Mapping[str, Any]) -> dict[Fact, Any]:
    """By content where it was fingerprinted, and by URL otherwise."""
    facts: dict[Fact, Any] = {}
    for name, url in record.spec.inputs.items():
        known = record.data.get(name)
        facts[Fact(Aspect.INPUT, name)] = (
            {"url": url} if known is None else known.model_dump(mode="json", exclude={"url", "kind"}, exclude_none=True)
        )
    data = written.get("data")
    if record.spec.inputs.keys() - record.data.keys() and isinstance(data, dict) and "fingerprint" in data:
        facts[Fact(Aspect.INPUT, "training data")] = {name: data[name] for name in data if name != "path"}
    return facts


def _software(record: VersionRecord, written: Mapping[str, Any]) -> dict[Fact, Any]:
    """As the run found it; as the submitting machine had it where the run did not say."""
    software = written.get("software")
    packages = {**record.environment.packages, **(software if isinstance(software, dict) else {})}
    return {Fact(Aspect.PACKAGE, name): release for name, release in packages.items()}


def _machine(record: VersionRecord) -> dict[Fact, Any]:
    environment, resources = record.environment, record.spec.resources.model_dump(exclude_none=True)
    return {
        Fact(Aspect.ENVIRONMENT, "python"): environment.python,
        Fact(Aspect.ENVIRONMENT, "cpu"): environment.cpu,
        Fact(Aspect.ENVIRONMENT, "gpus"): [f"{gpu.name}, driver {gpu.driver}" for gpu in environment.gpus],
        Fact(Aspect.MACHINE, "host"): environment.host,
        Fact(Aspect.MACHINE, "platform"): environment.platform,
        Fact(Aspect.MACHINE, "cpu count"): environment.cpus,
        Fact(Aspect.MACHINE, "backend"): record.backend.name,
        **{Fact(Aspect.MACHINE, f"backend option {name}"): value for name, value in record.backend.options.items()},
        **{Fact(Aspect.MACHINE, f"resource {name}"): value for name, value in resources.items()},
    }


def _code(record: VersionRecord) -> str:
    code = record.code
    commit = (code.commit or "no commit")[:12]
    return f"{commit} + changes {(code.sha256 or '')[:8]}" if code.dirty else commit
