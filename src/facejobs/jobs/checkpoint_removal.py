"""Frees the space of checkpoints that nothing needs any more: `facejobs gc`."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from facejobs.jobs.errors import VersionDamagedError
from facejobs.jobs.liveness import effective_state
from facejobs.jobs.status import read_status
from facejobs.jobs.versions import VersionFolder, VersionStore
from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectInfo

_THREADS = 16
_FOLDER = "checkpoints"
_MANIFEST = "/manifest.json"
_STEP = re.compile(r"step-(\d+)", re.ASCII)


class Garbage(NamedTuple):
    """Checkpoints of one version that can go: their steps, keys in the version folder, and size in bytes."""

    version: VersionFolder
    steps: list[int]
    keys: list[str]
    size: int


def find_garbage(
    store: VersionStore,
    job: str,
    advance: Callable[[int, int], None] = lambda *_: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[Garbage]:
    """Checkpoints of ended versions, but for the last one, from which a run resumes, and the best one of each.

    `advance(done, in_all)` counts the versions that were looked at; `warn` is told of each that is damaged, and kept.
    """
    numbers = store.versions(job)
    found = []
    with ThreadPoolExecutor(_THREADS) as pool:
        looked_at = pool.map(lambda number: _of_version(store.folder(job, number)), numbers)
        for done, garbage in enumerate(looked_at, 1):
            advance(done, len(numbers))
            if isinstance(garbage, str):
                warn(garbage)
            elif garbage.keys:
                found.append(garbage)
    return found


def remove_garbage(garbage: Garbage) -> None:
    """Delete them, manifests first: a checkpoint that loses a file counts as absent, never as damaged."""
    manifests = [key for key in garbage.keys if key.endswith(_MANIFEST)]
    garbage.version.store.delete(manifests)
    garbage.version.store.delete([key for key in garbage.keys if key not in set(manifests)])


def _of_version(version: VersionFolder) -> Garbage | str:
    """What can go of a version, or in words why nothing is known of it."""
    try:
        ended = effective_state(read_status(version.store), version.store).ended
    except VersionDamagedError as error:
        return str(error)
    if not ended:
        return Garbage(version, [], [], 0)
    steps: dict[int, list[ObjectInfo]] = {}
    for info in version.store.list(_FOLDER):
        match = _STEP.fullmatch(info.key.split("/")[1])
        if match:
            steps.setdefault(int(match[1]), []).append(info)
    whole = [step for step, files in steps.items() if any(info.key.endswith(_MANIFEST) for info in files)]
    # Without a whole one, everything is kept: which of them can be used is for the run to find out.
    kept = {max(whole), _best_step(version)} if whole else set(steps)
    gone = {step: files for step, files in steps.items() if step not in kept}
    files = [info for step in sorted(gone) for info in gone[step]]
    return Garbage(version, sorted(gone), [info.key for info in files], sum(info.size for info in files))


def _best_step(version: VersionFolder) -> int | None:
    try:
        return int(json.loads(version.store.read(f"{_FOLDER}/best.json"))["step"])
    except (NotFoundError, ValueError, KeyError, TypeError):
        return None
