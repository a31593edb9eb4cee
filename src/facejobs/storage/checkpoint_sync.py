"""Checkpoints of a run in storage: whole or absent there too, because each one's `manifest.json` goes last.

A run's folder holds `checkpoints/step-*/`, each with a `manifest.json` of `{file: {"bytes": …, "sha256": …}}`, and
`checkpoints/best.json`, which names the step of the best one.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from facejobs.storage.errors import CorruptError, DownloadError, NotFoundError
from facejobs.storage.manifest import unsafe_name
from facejobs.storage.store import ObjectStore

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
BEST = f"{CHECKPOINTS}/best.json"
JOURNAL = "metrics.jsonl"
PARAMETERS = "params.json"
CHECKPOINT_MANIFEST = "manifest.json"

_STEP = re.compile(r"step-(\d+)")
_FETCHING = ".fetching-"

Contents = dict[str, tuple[int, str]]


def step_of(name: str) -> int | None:
    """The step of a checkpoint's folder name (`step-00000040` is 40); None for other names."""
    match = _STEP.fullmatch(name)
    return int(match[1]) if match else None


def read_contents(manifest: bytes, where: str) -> Contents:
    """Size in bytes and SHA-256 of each file a checkpoint's manifest lists; raises CorruptError naming `where`."""
    try:
        files = {
            name: (int(entry["bytes"]), str(entry["sha256"])) for name, entry in json.loads(manifest.decode()).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptError(f"{where} is no manifest of a checkpoint: {error!r}") from None
    unsafe = [name for name in files if unsafe_name(name) or "/" in name or name == CHECKPOINT_MANIFEST]
    if unsafe:
        raise CorruptError(f"{where} names a file outside the checkpoint: {unsafe[0]!r}")
    return files


def steps_here(output: Path) -> dict[int, Path]:
    """Folders of the checkpoints in a run's output that are whole, by step, oldest first."""
    folders = {step_of(path.name): path for path in (output / CHECKPOINTS).glob("step-*")}
    return {
        step: folders[step]
        for step in sorted(step for step in folders if step is not None)
        if (folders[step] / CHECKPOINT_MANIFEST).is_file()
    }


def steps_there(store: ObjectStore) -> dict[int, str]:
    """Key of each whole checkpoint in storage, by step, oldest first."""
    found: dict[int, str] = {}
    for item in store.list(CHECKPOINTS):
        folder, _, name = item.key.rpartition("/")
        step = step_of(folder.removeprefix(f"{CHECKPOINTS}/"))
        if step is not None and name == CHECKPOINT_MANIFEST:
            found[step] = folder
    return dict(sorted(found.items()))


def best_step(content: bytes) -> int | None:
    """The step that `best.json` names; None if it names none."""
    try:
        return int(json.loads(content)["step"])
    except (ValueError, KeyError, TypeError):
        return None


def fetch_state(store: ObjectStore, output: Path) -> int | None:
    """Bring `output` to the newest state in storage, unless it holds as new a one; returns the step it stands at.

    What is fetched is `params.json`, the metrics journal, the newest whole checkpoint and the best one. Raises
    DownloadError if there are checkpoints and none can be used, and StorageError as the store does.
    """
    here, there = steps_here(output), steps_there(store)
    newest_here = max(here, default=None)
    if not there or (newest_here is not None and newest_here >= max(there)):
        return newest_here
    for name in (PARAMETERS, JOURNAL):
        _fetch_if_there(store, name, output / name)
    best = _fetch_best(store, output, there)
    # The newest goes last: until it is there, an interrupted fetch begins again.
    for step in sorted(there, reverse=True):
        try:
            _fetch_checkpoint(store, there[step], output)
        except (CorruptError, NotFoundError) as error:
            log.warning("%s; going back to an older checkpoint", error)
            continue
        if best is not None and best > step:
            (output / BEST).unlink(missing_ok=True)
        return step
    raise DownloadError(
        f"no checkpoint in {store.url_of(CHECKPOINTS)} can be used; restore one, "
        "or remove them all to train from the start"
    )


def _fetch_if_there(store: ObjectStore, key: str, path: Path) -> None:
    try:
        store.download(key, path)
    except NotFoundError:
        log.info("%s is not there", store.url_of(key))


def _fetch_best(store: ObjectStore, output: Path, there: dict[int, str]) -> int | None:
    try:
        content = store.read(BEST)
    except NotFoundError:
        return None
    best = best_step(content)
    if best not in there:
        return None
    # First, because the best checkpoint may be the newest too, with which an interrupted fetch counts as done.
    (output / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    (output / BEST).write_bytes(content)
    try:
        _fetch_checkpoint(store, there[best], output)
    except (CorruptError, NotFoundError) as error:
        log.warning("the best checkpoint cannot be used: %s", error)
        (output / BEST).unlink()
        return None
    return best


def _fetch_checkpoint(store: ObjectStore, key: str, output: Path) -> None:
    """Fetch one checkpoint beside its place, prove it by its manifest, and rename it."""
    target = output / key
    if (target / CHECKPOINT_MANIFEST).is_file():
        return
    temporary = target.with_name(_FETCHING + target.name)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        manifest = store.read(f"{key}/{CHECKPOINT_MANIFEST}")
        contents = read_contents(manifest, store.url_of(f"{key}/{CHECKPOINT_MANIFEST}"))
        for name, (size, sha256) in contents.items():
            digest = store.download(f"{key}/{name}", temporary / name)
            if (digest.size, digest.sha256) != (size, sha256):
                raise CorruptError(f"{store.url_of(f'{key}/{name}')} does not match its manifest")
        (temporary / CHECKPOINT_MANIFEST).write_bytes(manifest)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def send_checkpoint(folder: Path, store: ObjectStore, before_manifest: Callable[[], None]) -> bool:
    """Upload one whole checkpoint folder, its manifest last; returns False if it was there already.

    `before_manifest` is called when all else has arrived: it sends the metrics journal, which must not be older there
    than the checkpoint. Raises CorruptError if the folder is not what its manifest says, and what the store raises.
    """
    key = f"{CHECKPOINTS}/{folder.name}"
    manifest = (folder / CHECKPOINT_MANIFEST).read_bytes()
    contents = read_contents(manifest, str(folder / CHECKPOINT_MANIFEST))
    try:
        if store.read(f"{key}/{CHECKPOINT_MANIFEST}") == manifest:
            return False
        # Another checkpoint of that step: it must not look whole while its files are replaced.
        store.delete([f"{key}/{CHECKPOINT_MANIFEST}"])
    except NotFoundError:
        pass
    for name, expected in contents.items():
        digest = store.upload(folder / name, f"{key}/{name}")
        if (digest.size, digest.sha256) != expected:
            raise CorruptError(f"{folder / name} does not match {CHECKPOINT_MANIFEST}: it was changed")
    before_manifest()
    store.write(f"{key}/{CHECKPOINT_MANIFEST}", manifest)
    return True


def remove_checkpoints(store: ObjectStore, keep: Iterable[int]) -> None:
    """Remove every checkpoint in storage, whole or not, whose step is not in `keep`; manifests go first."""
    kept = set(keep)
    keys = [item.key for item in store.list(CHECKPOINTS)]
    gone = [key for key in keys if _step_in(key) is not None and _step_in(key) not in kept]
    store.delete([key for key in gone if key.endswith(f"/{CHECKPOINT_MANIFEST}")])
    store.delete([key for key in gone if not key.endswith(f"/{CHECKPOINT_MANIFEST}")])


def _step_in(key: str) -> int | None:
    parts = key.split("/")
    return step_of(parts[1]) if len(parts) > 2 else None
