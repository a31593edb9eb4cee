"""A version as one plain tar file: its whole folder, and `index.json` with the size and SHA-256 of each file."""

import io
import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from facejobs.jobs.errors import JobError, OutputExistsError
from facejobs.jobs.status import State, read_status
from facejobs.jobs.version_record import RECORD
from facejobs.jobs.versions import VersionFolder
from facejobs.storage.errors import CorruptError, NotFoundError
from facejobs.storage.manifest import MANIFEST, Manifest, ManifestEntry, unsafe_name
from facejobs.storage.store import FileDigest, ObjectInfo

INDEX = "index.json"
_FORMAT = 1
# What `facejobs gc` removes from a version whose manifest names it still.
_CHECKPOINT = re.compile(r"checkpoints/step-\d+/.*", re.ASCII | re.DOTALL)
_ADVICE = "restore it from a copy, or submit the job again; nothing was exported"


def export_version(version: VersionFolder, target: Path, advance: Callable[[int, int], None] = lambda *_: None) -> int:
    """Write `target`, whole or not at all; returns its size in bytes. `advance(done, in_all)` counts bytes.

    Members are plain files: the version's own in a folder JOB-V0003, and `index.json`. Of a version that runs, it is
    what was there at the moment; a COMPLETED one must be what its manifest says, but for checkpoints that `gc` removed.
    Raises OutputExistsError, CorruptError naming a file that is damaged or missing, StorageError, OSError.
    """
    if target.exists():
        raise OutputExistsError(f"{target} exists already: name another file, or remove it")
    if not target.parent.is_dir():
        raise JobError(f"{target.parent} is no folder: make it first")
    version.record  # noqa: B018  raises for a version that is not there
    promised = _promised(version)
    objects = [info for info in version.store.list() if unsafe_name(info.key) is None]
    _check_presence(version, promised, {info.key for info in objects})
    total = sum(info.size for info in objects)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        unfinished = Path(folder) / "tar"
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
            _write_members(
                archive, version, objects, promised, Path(folder) / "member", lambda done: advance(done, total)
            )
        size = unfinished.stat().st_size
        unfinished.rename(target)
    return size


def _write_members(
    archive: tarfile.TarFile,
    version: VersionFolder,
    objects: list[ObjectInfo],
    promised: Mapping[str, ManifestEntry],
    fetched: Path,
    advance: Callable[[int], None],
) -> None:
    root = f"{version.job}-{version.name}"
    files: dict[str, dict[str, object]] = {}
    done = 0
    for info in sorted(objects, key=lambda info: (info.key != RECORD, info.key)):
        try:
            digest = version.store.download(info.key, fetched)
        except NotFoundError:
            # A running job removes old checkpoints, and so does `gc`.
            _check_presence(version, {key: promised[key] for key in promised.keys() & {info.key}}, set())
            continue
        _check_content(version, info.key, digest, promised.get(info.key))
        member = tarfile.TarInfo(f"{root}/{info.key}")
        member.size, member.mtime, member.mode = digest.size, int(info.modified.timestamp()), 0o644
        with fetched.open("rb") as file:
            archive.addfile(member, file)
        fetched.unlink()
        files[member.name] = {"bytes": digest.size, "sha256": digest.sha256}
        done += info.size
        advance(done)
    index = {"format": _FORMAT, "job": version.job, "version": version.name, "files": files}
    text = json.dumps(index, indent=1).encode()
    member = tarfile.TarInfo(INDEX)
    member.size, member.mtime, member.mode = len(text), int(version.record.created.timestamp()), 0o644
    archive.addfile(member, io.BytesIO(text))


def _promised(version: VersionFolder) -> Mapping[str, ManifestEntry]:
    """What the files of a COMPLETED version must be; nothing is known of the files of another one."""
    if read_status(version.store).state is not State.COMPLETED:
        return {}
    place = version.store.url_of(MANIFEST)
    try:
        return Manifest.from_json(version.store.read(MANIFEST), place).files
    except NotFoundError:
        raise CorruptError(
            f"{place} is missing, so nothing proves that {version.job} {version.name} is whole; {_ADVICE}"
        ) from None


def _check_presence(version: VersionFolder, promised: Mapping[str, ManifestEntry], there: set[str]) -> None:
    missing = sorted(key for key in promised if key not in there and not _CHECKPOINT.fullmatch(key))
    if missing:
        raise CorruptError(f"{version.store.url_of(missing[0])} is missing, and {MANIFEST} names it; {_ADVICE}")


def _check_content(version: VersionFolder, key: str, found: FileDigest, promised: ManifestEntry | None) -> None:
    if promised is None or (found.size, found.sha256) == (promised.size, promised.sha256):
        return
    fault = (
        f"it has {found.size} bytes, by {MANIFEST} {promised.size}"
        if found.size != promised.size
        else f"its SHA-256 is not the one in {MANIFEST}"
    )
    raise CorruptError(f"{version.store.url_of(key)} is damaged: {fault}; {_ADVICE}")
