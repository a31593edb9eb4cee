"""The files of a local folder that are to be copied, and their digests."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facejobs.storage.content_hash import ContentHash, ContentHasher
from facejobs.storage.errors import CorruptError, NotFoundError, StorageError
from facejobs.storage.etag import MULTIPART_THRESHOLD, etag_of_parts, part_size
from facejobs.storage.keys import is_temporary
from facejobs.storage.manifest import unsafe_name
from facejobs.storage.store import FileDigest

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file as it was when the folder was looked at; `state` changes when anybody writes to it or replaces it."""

    name: str
    path: Path
    size: int
    state: tuple[int, int, int]

    def require_unchanged(self) -> None:
        """Raise CorruptError if the file was written to since, or is gone."""
        try:
            same = _state(self.path.stat()) == self.state
        except FileNotFoundError:
            raise CorruptError(f"{self.path} vanished while it was read; upload again when nobody removes it") from None
        if not same:
            raise CorruptError(f"{self.path} changed while it was read; upload again when nobody writes to it")


def files_below(folder: Path, include: Callable[[str], bool]) -> list[LocalFile]:
    """The files of a folder and its subfolders that `include` admits by relative name, ascending by name.

    Links to files inside the folder are read as those files. Raises NotFoundError if the folder is none, and
    StorageError for what cannot be copied: a link that leads out or nowhere or to a folder, a device, an unsafe name.
    """
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is no folder; name an existing one")
    found: list[LocalFile] = []
    root = os.path.realpath(folder)
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif include(name) and not is_temporary(name):
                    found.append(_describe(name, entry, root))
    return sorted(found, key=lambda file: file.name)


def _describe(name: str, entry: os.DirEntry[str], root: str) -> LocalFile:
    fault = unsafe_name(name)
    if fault:
        raise StorageError(f"{entry.path!r} cannot be uploaded: {fault}; rename it")
    if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
        raise StorageError(f"{entry.path} is a link that leads out of {root}; replace it by what it leads to")
    try:
        facts = entry.stat()
    except FileNotFoundError:
        raise NotFoundError(f"{entry.path} vanished, or is a link that leads nowhere; remove it") from None
    if not stat.S_ISREG(facts.st_mode):
        kind = "a link to a folder" if stat.S_ISDIR(facts.st_mode) else "neither a file nor a folder"
        raise StorageError(f"{entry.path} is {kind} and cannot be uploaded; replace or remove it")
    return LocalFile(name, Path(entry.path), facts.st_size, _state(facts))


def _state(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


def digest_file(path: Path) -> FileDigest:
    """Size, digests and the ETag that uploading it gives where ETags are MD5s, in one read; raises OSError."""
    hasher = ContentHasher()
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        step = size if size <= MULTIPART_THRESHOLD else part_size(size)
        parts: list[bytes] = []
        read = 0
        while read < size or not parts:
            md5 = hashlib.md5(usedforsecurity=False)
            end = min(read + step, size)
            while read < end:
                data = file.read(min(_CHUNK, end - read))
                if not data:
                    raise CorruptError(f"{path} was shortened while it was read; try again when its writer is done")
                hasher.update(data)
                md5.update(data)
                read += len(data)
            parts.append(md5.digest())
    etag = parts[0].hex() if size <= MULTIPART_THRESHOLD else etag_of_parts(parts)
    content = hasher.result()
    return FileDigest(size, content.sha256, etag, content.blake3)


def content_of_file(path: Path, expected: ContentHash) -> FileDigest | None:
    """The file's size and digests, without an ETag, if its content is the expected one; raises OSError."""
    hasher = ContentHasher(expected)
    size = 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            hasher.update(data)
            size += len(data)
    return None if hasher.fault() else FileDigest(size, expected.sha256, None, expected.blake3)
