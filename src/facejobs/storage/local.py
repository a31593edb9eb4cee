"""A directory as an object store."""

import builtins
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from facejobs.storage.content_hash import ContentHash, ContentHasher
from facejobs.storage.errors import AccessError, CorruptError, NotFoundError, StorageError
from facejobs.storage.keys import check_key, is_temporary
from facejobs.storage.store import FileDigest, ObjectInfo, ObjectStore
from facejobs.storage.whole_file import link_new_file, read_exactly, whole_file, write_all

_CHUNK = 4 << 20  # bytes


class LocalStore(ObjectStore):
    """Files below `root`, which the first write makes. Links that lead out of it are neither listed nor followed.

    With `follow_links` every link is taken for what it leads to, as programs do that read the folder where it lies.
    """

    def __init__(self, root: Path, follow_links: bool = False) -> None:
        self._root = Path(os.path.abspath(root))  # noqa: PTH100 (resolve() would follow links that the user chose)
        self._follow_links = follow_links
        self.url = str(self._root)

    def list(self, prefix: str = "", recursive: bool = True) -> Iterator[ObjectInfo]:
        """Every file below the folder `prefix`; see ObjectStore."""
        folder = self._path(prefix) if prefix else self._root
        found = []
        for parent, folders, names in _walk(folder, self._follow_links):
            folders[:] = [name for name in folders if recursive and not is_temporary(name)]
            found += [f"{parent}/{name}" for name in names if not is_temporary(name)]
        start = len(self.url.rstrip("/")) + 1
        for key in sorted(path[start:] for path in found):
            info = self._info(key)
            if info is not None:
                yield info

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Names of the immediate subfolders; see ObjectStore."""
        folder = self._path(prefix) if prefix else self._root
        try:
            with os.scandir(folder) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if Path(entry.path).is_dir() and not is_temporary(entry.name) and self._is_inside(Path(entry.path))
                )
        except (FileNotFoundError, NotADirectoryError):
            return []

    def stat(self, key: str) -> ObjectInfo | None:
        """Size and time of one file; see ObjectStore."""
        self._path(key)
        return self._info(key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of one file; see ObjectStore."""
        with self._open(key) as file:
            file.seek(start)
            return file.read() if length is None else file.read(length)

    def write(self, key: str, data: bytes) -> None:
        """Replace a file atomically and durably; see ObjectStore."""
        with self._writable(key), whole_file(self._path(key), durable=True) as descriptor:
            write_all(descriptor, data, 0)

    def write_if_absent(self, key: str, data: bytes) -> bool:
        """Make a file unless its name is taken: written aside, then linked, which the system does for one only."""
        path = self._path(key)
        with self._writable(key):
            try:
                return not os.path.lexists(path) and link_new_file(path, data)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
                raise StorageError(
                    f"{path.parent}: this file system makes no hard links ({error.strerror}), so a name cannot be "
                    "claimed safely; keep the store on another disk, or on S3"
                ) from None

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files, and the folders that become empty; see ObjectStore."""
        for key in keys:
            path = self._path(key)
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            with suppress(OSError):
                for folder in path.parents[: key.count("/")]:
                    folder.rmdir()

    def upload(self, path: Path, key: str) -> FileDigest:
        """Copy a file into the store, durably; see ObjectStore."""
        with path.open("rb") as source, self._writable(key):
            return _copy(source.fileno(), self._path(key), durable=True)

    def download(self, key: str, path: Path, expected: ContentHash | None = None) -> FileDigest:
        """Copy a file out of the store; see ObjectStore."""
        with self._open(key) as source:
            return _copy(source.fileno(), path, durable=False, expected=expected)

    def below(self, prefix: str) -> Self:
        """The store of one folder; see ObjectStore."""
        return type(self)(self._path(prefix.strip("/")), self._follow_links) if prefix.strip("/") else self

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key.rstrip("/"), self.url)
        if not self._is_inside(path.parent):
            raise StorageError(f"{path}: a link on the way leads out of {self._root}; it is not followed")
        return path

    def _is_inside(self, path: Path) -> bool:
        if self._follow_links:
            return True
        root = os.path.realpath(self._root)
        return Path(os.path.realpath(path)).is_relative_to(root)

    def _info(self, key: str) -> ObjectInfo | None:
        path = self._root / key
        try:
            facts = path.lstat()
            if stat.S_ISLNK(facts.st_mode):
                if not self._is_inside(path):
                    return None
                facts = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        return ObjectInfo(key, facts.st_size, None, datetime.fromtimestamp(facts.st_mtime, UTC))

    @contextmanager
    def _open(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        if not self._is_inside(path):
            raise StorageError(f"{path} is a link that leads out of {self._root}; it is not followed")
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError(f"{path}: there is no such file") from None
        except PermissionError:
            raise AccessError(f"{path}: you may not read this file; have its owner allow it") from None
        with file:
            yield file

    @contextmanager
    def _writable(self, key: str) -> Iterator[None]:
        path = self._root / key
        try:
            yield
        except PermissionError:
            raise AccessError(
                f"{path}: you may not write here; name a folder of yours, or have its owner allow it"
            ) from None
        except (NotADirectoryError, FileExistsError):
            raise StorageError(
                f"{path}: a file stands where a folder is needed; remove it or name another place"
            ) from None
        except IsADirectoryError:
            raise StorageError(f"{path}: a folder has this name; remove it or name another place") from None


def _copy(source: int, target: Path, durable: bool, expected: ContentHash | None = None) -> FileDigest:
    """Copy what the file holds now; one that becomes shorter under way, or is not `expected`, is a CorruptError."""
    size = os.fstat(source).st_size
    hasher = ContentHasher(expected)
    with whole_file(target, durable) as descriptor:
        for offset in range(0, size, _CHUNK):
            data = read_exactly(source, min(_CHUNK, size - offset), offset)
            hasher.update(data)
            write_all(descriptor, data, offset)
        if os.fstat(descriptor).st_size != size:
            raise CorruptError(
                f"{target}: its source was shortened while it was copied; try again when its writer is done"
            )
        fault = hasher.fault()
        if fault:
            raise CorruptError(f"{target}: its source is not what it should be: {fault}")
    content = hasher.result()
    return FileDigest(size, content.sha256, None, content.blake3)


def _walk(top: Path, follow_links: bool) -> Iterator[tuple[str, builtins.list[str], builtins.list[str]]]:
    """As os.walk; a folder that stands in itself by way of links is not entered again, since that has no end."""
    above: dict[str, tuple[os.stat_result, ...]] = {}
    for parent, folders, names in os.walk(top, followlinks=follow_links, onerror=_unreadable):
        if follow_links:
            facts, way = Path(parent).stat(), above.pop(parent, ())
            if any(os.path.samestat(facts, other) for other in way):
                folders.clear()
                continue
            above.update((f"{parent}/{name}", (*way, facts)) for name in folders)
        yield parent, folders, names


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise AccessError(f"{error.filename}: this folder cannot be listed: {error.strerror}")
