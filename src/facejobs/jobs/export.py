"""A version as one plain tar file: its whole folder, and `index.json` with the size and SHA-256 of each file."""

import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from facejobs.jobs.errors import JobError
from facejobs.jobs.version_record import RECORD
from facejobs.jobs.versions import VersionFolder
from facejobs.storage.errors import NotFoundError
from facejobs.storage.manifest import unsafe_name
from facejobs.storage.store import ObjectInfo

INDEX = "index.json"
_FORMAT = 1


def export_version(version: VersionFolder, target: Path, advance: Callable[[int, int], None] = lambda *_: None) -> int:
    """Write `target`, whole or not at all; returns its size in bytes. `advance(done, in_all)` counts bytes.

    Members are plain files: the version's own in a folder JOB-V0003, and `index.json`. Of a version that runs, it is
    what was there at the moment. Raises JobError if `target` exists, StorageError, OSError.
    """
    if target.exists():
        raise JobError(f"{target} exists already: name another file, or remove it")
    if not target.parent.is_dir():
        raise JobError(f"{target.parent} is no folder: make it first")
    version.record  # noqa: B018  raises for a version that is not there
    objects = [info for info in version.store.list() if unsafe_name(info.key) is None]
    total = sum(info.size for info in objects)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        unfinished = Path(folder) / "tar"
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
            _write_members(archive, version, objects, Path(folder) / "member", lambda done: advance(done, total))
        size = unfinished.stat().st_size
        unfinished.rename(target)
    return size


def _write_members(
    archive: tarfile.TarFile,
    version: VersionFolder,
    objects: list[ObjectInfo],
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
            # A running job removes old checkpoints.
            continue
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
