"""The files that are a gallery at one moment, each named by its digest and never changed."""

import hashlib
import mmap
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facejobs.data.reading import reading
from facejobs.gallery.description import DESCRIPTION_NAME, FileRecord, GalleryDescription, Role
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.rows import ROW

Buffer: TypeAlias = bytes | mmap.mmap | NDArray[np.uint8]

HASHED_AT_OPENING = 64 * 1024 * 1024
"""Files up to this many bytes are compared with their digest when a gallery is opened, larger ones by their size."""
_HASH_CHUNK = 1024 * 1024
_AGAIN = "copy the whole gallery again"


class Generation:
    """Opens the files that `description` lists, verifying the size of each, and the digests of those that are read.

    Raises GalleryError where one differs; FileNotFoundError where one is not there (any more).
    """

    def __init__(self, folder: Path, description: GalleryDescription) -> None:
        self.folder = folder
        self.description = description
        self._maps: dict[Role, bytes | mmap.mmap] = {}
        for role in description.files:
            self._maps[role] = self._map(role)

    def path(self, role: Role) -> Path:
        """Where the file with this role lies."""
        return self.folder / self.description.files[role].name

    def content(self, role: Role) -> bytes | mmap.mmap:
        """The bytes of a file, verified if it is small; empty for a role that no file has."""
        return self._maps.get(role, b"")

    def vectors(self, role: Role, count: int) -> NDArray[np.float32]:
        """The file as `count` rows of embedding_size float32 values, read-only, mapped into memory."""
        size = self.description.embedding_size
        self._expect_bytes(role, count * size * 4)
        return np.frombuffer(self.content(role), np.dtype("<f4")).reshape(count, size)

    def table(self, role: Role, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """The file as `count` records of `dtype`, read-only."""
        self._expect_bytes(role, count * dtype.itemsize)
        return np.frombuffer(self.content(role), dtype)

    def rows(self) -> NDArray[Any]:
        """The table of images; raises GalleryError for one that names a person who is not listed."""
        rows = self.table("rows", ROW, self.description.images)
        if len(rows) and int(rows["person"].max()) >= self.description.people:
            raise GalleryError(f"{self.path('rows')} names a person who is not among the people; {_AGAIN}")
        return rows

    def verify(self) -> None:
        """Compare every file with its digest."""
        for role, record in self.description.files.items():
            self._expect_digest(role, record)

    def _map(self, role: Role) -> bytes | mmap.mmap:
        record = self.description.files[role]
        path = self.folder / record.name
        with reading(path, GalleryError), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != record.bytes:
                raise GalleryError(
                    f"{path} is {size} bytes long, {DESCRIPTION_NAME} says {record.bytes}: it was cut off or edited; "
                    f"{_AGAIN}"
                )
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self._maps[role] = content
        if size <= HASHED_AT_OPENING:
            self._expect_digest(role, record)
        return content

    def _expect_bytes(self, role: Role, count: int) -> None:
        if len(self.content(role)) != count:
            raise GalleryError(
                f"{self.path(role)} is {len(self.content(role))} bytes long, the counts in {DESCRIPTION_NAME} need "
                f"{count}; {_AGAIN}"
            )

    def _expect_digest(self, role: Role, record: FileRecord) -> None:
        found = digest(self._maps[role])
        if found != record.sha256:
            raise GalleryError(
                f"{self.folder / record.name} has SHA-256 {found}, {DESCRIPTION_NAME} says {record.sha256}: it was "
                f"edited or damaged; {_AGAIN}"
            )


def digest(content: Buffer) -> str:
    """SHA-256 in hexadecimal."""
    hasher = hashlib.sha256()
    with memoryview(content) as view:
        for start in range(0, len(view), _HASH_CHUNK):
            hasher.update(view[start : start + _HASH_CHUNK])
    return hasher.hexdigest()
