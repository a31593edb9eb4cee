"""Downloads a folder: fetches what is not here yet, proves each file, and only then gives it its name."""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from facejobs.storage.content_hash import ContentHash
from facejobs.storage.errors import CorruptError, DownloadError, NotFoundError, StorageError
from facejobs.storage.folder_upload import every_file
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.local_files import content_of_file, digest_file
from facejobs.storage.manifest import Manifest, ManifestEntry, unsafe_name
from facejobs.storage.parallel_transfer import Failures, transfer
from facejobs.storage.read_back import blake3_of_object
from facejobs.storage.store import FileDigest, ObjectStore
from facejobs.storage.transfer_progress import TransferProgress

_ABANDONED = 3600.0  # seconds since the last write to a temporary file, after which its writer is taken for dead


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One object as the manifest (`content`) or the listing (`etag`, where the store has any) promises it."""

    name: str
    size: int
    content: ContentHash | None
    etag: str | None


def download_folder(
    store: ObjectStore,
    folder: Path,
    *,
    include: Callable[[str], bool] = every_file,
    manifest_key: str | None = None,
    progress: bool = True,
) -> Manifest:
    """Download what `store` holds, or what its manifest names, into `folder`; return what is there now.

    Only names that `include` admits. A file that is here already with equal content is not fetched again (equal to the
    manifest's BLAKE3 or SHA-256, or to the listing's ETag where that is an MD5). Other files of the folder are left
    alone. Raises DownloadError naming the files that failed, NotFoundError if there is nothing, CorruptError for a bad
    manifest, StorageError for a name or a link that would lead out of `folder`, and OSError if the disk is full.
    """
    wanted = _named_by_manifest(store, manifest_key) if manifest_key else _listed(store)
    wanted = [item for item in wanted if include(item.name)]
    _require_safe(wanted, store, folder)
    _make(folder)
    failures = Failures()
    entries: dict[str, ManifestEntry] = {}
    total = sum(item.size for item in wanted)
    with TransferProgress("downloading", len(wanted), total, progress) as bar:
        ordered = sorted(wanted, key=lambda item: -item.size)
        for item, digest in transfer(ordered, _name, partial(_fetch, store, folder), failures):
            entries[item.name] = ManifestEntry(digest.size, digest.sha256, digest.blake3)
            bar.advance(item.size)
    _remove_abandoned({(folder / item.name).parent for item in wanted})
    verdict = f"{len(failures)} of {len(wanted)} files of {store.url} did not arrive in {folder}"
    failures.raise_any(DownloadError, verdict, "download it again: what has arrived is not fetched twice")
    return Manifest(entries)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise StorageError(f"{folder} is a file, or lies below one; name a folder to download into") from None


def _named_by_manifest(store: ObjectStore, key: str) -> list[_Wanted]:
    try:
        manifest = Manifest.from_json(store.read(key), store.url_of(key))
    except NotFoundError:
        raise NotFoundError(
            f"{store.url_of(key)} is not there: nothing was uploaded to {store.url}, or not wholly; upload it again"
        ) from None
    return [_Wanted(name, entry.size, entry.content, None) for name, entry in manifest.files.items()]


def _listed(store: ObjectStore) -> list[_Wanted]:
    wanted = [_Wanted(item.key, item.size, None, item.etag) for item in store.list()]
    if not wanted:
        raise NotFoundError(f"{store.url} holds no files; check its name")
    return wanted


def _name(item: _Wanted) -> str:
    return item.name


def _require_safe(wanted: Iterable[_Wanted], store: ObjectStore, folder: Path) -> None:
    names = {item.name for item in wanted}
    for name in names:
        fault = unsafe_name(name)
        if fault:
            raise StorageError(f"{store.url} holds what cannot be a file below {folder}: {fault}")
        for parent in PurePosixPath(name).parents:
            if str(parent) in names:
                raise StorageError(
                    f"{store.url}: {str(parent)!r} is an object and {name!r} another, but on a disk the one would have "
                    "to be both a file and a folder; rename one of them"
                )


def _fetch(store: ObjectStore, folder: Path, item: _Wanted) -> FileDigest:
    target = folder / item.name
    _require_inside(folder, target)
    here = _digest_if_equal(store, target, item)
    if here is not None:
        return here
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        digest = store.download(item.name, temporary, item.content)
        fault = _difference(item, digest)
        if fault:
            raise CorruptError(fault)
        temporary.replace(target)
    except OSError as error:
        # The user knows the file by the name that it was to get.
        error.filename, error.filename2 = str(target), None
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return digest


def _require_inside(folder: Path, target: Path) -> None:
    """Raise StorageError if a link on the way to the target leads out of the folder."""
    if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder)):
        raise StorageError(f"a link on the way leads out of {folder}; remove it")


def _digest_if_equal(store: ObjectStore, target: Path, item: _Wanted) -> FileDigest | None:
    """The digest of the file that is here, if it is what the store has."""
    try:
        if not target.is_file() or target.stat().st_size != item.size:
            return None
        if item.content is not None:
            return content_of_file(target, item.content)
        digest = digest_file(target)
    except OSError:
        return None
    if item.etag is None:
        return digest if digest.blake3 == blake3_of_object(store, item.name, item.size) else None
    return digest if digest.etag == item.etag else None


def _difference(item: _Wanted, digest: FileDigest) -> str | None:
    if digest.size != item.size:
        return f"it has {digest.size} bytes, not the {item.size} that were promised"
    if item.etag is not None and digest.etag != item.etag:
        return "it was replaced while it was downloaded"
    return None


def _remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove what a killed download left in these folders."""
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(TEMPORARY) and time.time() - entry.stat().st_mtime > _ABANDONED:
                    Path(entry.path).unlink(missing_ok=True)
