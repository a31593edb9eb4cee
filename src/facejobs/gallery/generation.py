"""The files that are a gallery at one moment, each named by its digest and never changed."""

import mmap
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from facejobs.data.reading import reading
from facejobs.gallery.description import DESCRIPTION_NAME, FileRecord, GalleryDescription, Role, require_file
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.rows import ROW, cell_dtype

Content: TypeAlias = bytes | mmap.mmap

_BULKY: frozenset[Role] = frozenset({"embeddings", "means", "pictures"})
_LARGE = 256 * 1024 * 1024
"""Bulky files of more bytes are compared with their digest by `verify` only: reading them may take a slow disk long."""
_AGAIN = "copy the whole gallery again"


class Generation:
    """Opens the files that `description` lists, verifying the size of all and the digest of all but the largest.

    Raises GalleryError where one differs; FileNotFoundError where one is not there (any more).
    """

    def __init__(self, folder: Path, description: GalleryDescription) -> None:
        self.folder = folder
        self.description = description
        self._maps: dict[Role, Content] = {}
        for role, record in description.files.items():
            self._open(role, record)

    def path(self, role: Role) -> Path:
        """Where the file with this role lies."""
        return self.folder / self.description.files[role].name

    def content(self, role: Role) -> Content:
        """The bytes of a file, empty for a role that no file has."""
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

    def cells(self, role: Role, count: int) -> NDArray[Any]:
        """The cells that `count` vectors are sorted into; raises GalleryError where they hold more or fewer."""
        dtype = cell_dtype(self.description.embedding_size)
        cells = self.table(role, dtype, len(self.content(role)) // dtype.itemsize)
        if int(cells["count"].sum(dtype=np.int64)) != count:
            raise GalleryError(f"{self.path(role)} does not hold {count} vectors; {_AGAIN}")
        return cells

    def verify(self) -> None:
        """Compare every file with its digest."""
        for role, record in self.description.files.items():
            with reading(self.path(role), GalleryError):
                self._expect_digest(role, record)

    def _open(self, role: Role, record: FileRecord) -> None:
        path = self.path(role)
        require_file(path)
        with reading(path, GalleryError), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != record.bytes:
                raise GalleryError(
                    f"{path} is {size} bytes long, {DESCRIPTION_NAME} says {record.bytes}: it was cut off or edited; "
                    f"{_AGAIN}"
                )
            self._maps[role] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            if size <= _LARGE or role not in _BULKY:
                self._expect_digest(role, record)

    def _expect_bytes(self, role: Role, count: int) -> None:
        if len(self.content(role)) != count:
            raise GalleryError(
                f"{self.path(role)} is {len(self.content(role))} bytes long, the counts in {DESCRIPTION_NAME} need "
                f"{count}; {_AGAIN}"
            )

    def _expect_digest(self, role: Role, record: FileRecord) -> None:
        found = digest(self._maps[role])
        if found != record.blake3:
            raise GalleryError(
                f"{self.path(role)} has BLAKE3 {found}, {DESCRIPTION_NAME} says {record.blake3}: it was "
                f"edited or damaged; {_AGAIN}"
            )


def digest(content: Content) -> str:
    """BLAKE3 in hexadecimal: a second where SHA-256 takes ten."""
    return blake3(content).hexdigest()
