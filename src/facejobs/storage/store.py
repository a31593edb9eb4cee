"""The one interface of every store: objects by key below a root, which is a bucket's folder or a directory."""

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

from facejobs.storage.content_hash import ContentHash
from facejobs.storage.url import join_url


class ObjectInfo(NamedTuple):
    """What a listing says of one object; `size` in bytes, `etag` without quotes (None on disk), `modified` in UTC."""

    key: str
    size: int
    etag: str | None
    modified: datetime


class FileDigest(NamedTuple):
    """What was transferred: `size` in bytes, the store's ETag (None on disk), and the digests in hexadecimal."""

    size: int
    sha256: str
    etag: str | None
    blake3: str | None


class ObjectStore(ABC):
    """Objects below one root. Keys are relative to it and '/'-separated; a key that could leave it is a StorageError.

    Every method raises AccessError, UnreachableError or another StorageError that says what to do, and OSError where
    the disk of this machine refuses. Methods may be called from many threads at once.
    """

    url: str

    @abstractmethod
    def list(self, prefix: str = "", recursive: bool = True) -> Iterator[ObjectInfo]:
        """Every object in the folder `prefix` (and below it), ascending by key; unfinished files are left out."""

    @abstractmethod
    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Names of the immediate subfolders of the folder `prefix`, ascending."""

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo | None:
        """What the store says of one object, or None if there is none."""

    @abstractmethod
    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start` on (none past the end), `length` at most; raises NotFoundError."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Put an object, replacing another as a whole: no reader ever sees a part of it."""

    @abstractmethod
    def write_if_absent(self, key: str, data: bytes) -> bool:
        """Put an object unless the key exists, as one atomic step; False if it exists."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are no error."""

    @abstractmethod
    def upload(self, path: Path, key: str) -> FileDigest:
        """Send a file, streaming, and verify what arrived; raises CorruptError, or OSError if it cannot be read."""

    @abstractmethod
    def download(self, key: str, path: Path, expected: ContentHash | None = None) -> FileDigest:
        """Fetch an object into a file, which appears whole and verified or not at all.

        A caller who knows the content that it must have (`expected`) has it compared with that, by BLAKE3 if it is
        known, and not with what the store says of it. Missing folders are made. Raises NotFoundError, and CorruptError
        if length or digest are not as promised.
        """

    @abstractmethod
    def below(self, prefix: str) -> Self:
        """The store of one folder of this one; it shares connections."""

    def url_of(self, key: str) -> str:
        """The whole URL or path of a key, for messages."""
        return join_url(self.url, key)
