"""Uploads a folder: sends what is not there yet, proves that all of it arrived, and says so with a manifest."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from facejobs.storage.errors import CorruptError, StorageError, UploadError
from facejobs.storage.local_files import LocalFile, digest_file, files_below
from facejobs.storage.manifest import MANIFEST, Manifest, ManifestEntry
from facejobs.storage.parallel_transfer import Failures, transfer
from facejobs.storage.read_back import blake3_of_object
from facejobs.storage.store import FileDigest, ObjectInfo, ObjectStore
from facejobs.storage.transfer_progress import TransferProgress

Verification = Literal["listing", "read_back"]

_AGAIN = "upload it again: what has arrived is not sent twice"


def every_file(name: str) -> bool:
    """Include each file, whatever its name."""
    return bool(name)


def upload_folder(
    folder: Path,
    store: ObjectStore,
    *,
    include: Callable[[str], bool] = every_file,
    verify: Verification = "listing",
    manifest_key: str | None = MANIFEST,
    progress: bool = True,
) -> Manifest:
    """Upload the files of `folder` that `include` admits by relative name, and return what is proven to have arrived.

    A file that the store already has, with equal size and ETag (or equal BLAKE3 where the listing states no ETag), is
    not sent again. Afterwards a fresh listing is compared with what was sent (`verify="listing"`), or every object is
    read back and hashed (`"read_back"`); only then is the manifest written. Objects that the folder does not have are
    left alone. Raises UploadError naming the files that failed, StorageError for a folder or a store that cannot be
    used, and OSError.
    """
    files = files_below(folder, include)
    if manifest_key in {file.name for file in files}:
        raise StorageError(f"{folder / str(manifest_key)}: this name is kept for the manifest; rename the file")
    there = {item.key: item for item in store.list()}
    digests = _send(files, store, there, manifest_key, progress)
    _verify(digests, store, verify, progress)
    manifest = Manifest(
        {name: ManifestEntry(digest.size, digest.sha256, digest.blake3) for name, digest in digests.items()}
    )
    if manifest_key is not None:
        store.write(manifest_key, manifest.to_json())
    return manifest


def _send(
    files: list[LocalFile],
    store: ObjectStore,
    there: Mapping[str, ObjectInfo],
    manifest_key: str | None,
    progress: bool,
) -> dict[str, FileDigest]:
    """Send what is not there; the digest of every file, sent or not."""
    failures = Failures()
    digests: dict[str, FileDigest] = {}
    total = sum(file.size for file in files)
    # Large files first: the last ones to end are then small.
    ordered = sorted(files, key=lambda file: -file.size)
    with TransferProgress("uploading", len(files), total, progress) as bar:
        compared = [file for file in ordered if file.name in there and there[file.name].size == file.size]
        same = partial(_digest_if_there, store, there)
        for file, digest in transfer(compared, _name, same, failures):
            if digest is not None:
                digests[file.name] = digest
                bar.advance(file.size)
        _raise(failures, files, store)
        missing = [file for file in ordered if file.name not in digests]
        if manifest_key in there and any(file.name in there for file in missing):
            # Files of an earlier upload are about to be replaced: its manifest would no longer be true.
            store.delete([str(manifest_key)])
        for file, sent in transfer(missing, _name, partial(_upload, store), failures):
            digests[file.name] = sent
            bar.advance(file.size)
    _raise(failures, files, store)
    return digests


def _name(file: LocalFile) -> str:
    return file.name


def _digest_if_there(store: ObjectStore, there: Mapping[str, ObjectInfo], file: LocalFile) -> FileDigest | None:
    """The file's digest if the store has that content under its name."""
    digest = _of_unchanged(file, digest_file)
    info = there[file.name]
    if info.etag is not None:
        return digest if info.etag == digest.etag else None
    same = blake3_of_object(store, file.name, file.size) == digest.blake3
    return digest._replace(etag=None) if same else None


def _upload(store: ObjectStore, file: LocalFile) -> FileDigest:
    return _of_unchanged(file, lambda path: store.upload(path, file.name))


def _of_unchanged(file: LocalFile, digest_of: Callable[[Path], FileDigest]) -> FileDigest:
    """The digest that was made by reading the file; raises CorruptError if the file changed or vanished meanwhile."""
    try:
        digest = digest_of(file.path)
    except FileNotFoundError:
        file.require_unchanged()
        raise
    file.require_unchanged()
    return digest


def _verify(digests: Mapping[str, FileDigest], store: ObjectStore, verify: Verification, progress: bool) -> None:
    """Raise UploadError unless the store shows, now, every object as it was sent."""
    failures = Failures()
    there = {item.key: item for item in store.list()}
    to_read = []
    for name, digest in digests.items():
        fault = _difference(there.get(name), digest)
        if fault:
            failures.add(name, fault)
        elif verify == "read_back" or digest.etag is None:
            to_read.append(name)
    total = sum(digests[name].size for name in to_read)
    with TransferProgress("verifying", len(to_read), total, progress) as bar:
        for name, _ in transfer(to_read, str, lambda name: _require_equal(store, name, digests[name]), failures):
            bar.advance(digests[name].size)
    _raise(failures, digests, store)


def _difference(info: ObjectInfo | None, sent: FileDigest) -> str | None:
    if info is None:
        return "it was sent, and is not there"
    if info.size != sent.size:
        return f"{sent.size} bytes were sent, {info.size} are there"
    if info.etag != sent.etag:
        return f"its content is not what was sent (ETag {info.etag}, sent {sent.etag})"
    return None


def _require_equal(store: ObjectStore, name: str, sent: FileDigest) -> None:
    found = blake3_of_object(store, name, sent.size)
    if found != sent.blake3:
        raise CorruptError(f"reading it back gave other content (BLAKE3 {found}, sent {sent.blake3})")


def _raise(failures: Failures, files: "list[LocalFile] | Mapping[str, FileDigest]", store: ObjectStore) -> None:
    verdict = f"{len(failures)} of {len(files)} files are not proven to be in {store.url}, which is not complete"
    failures.raise_any(UploadError, verdict, _AGAIN)
