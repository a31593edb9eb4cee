"""The next generation of a gallery while it is written, in files that no reader knows of."""

import math
import mmap
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.description import FileRecord, Role
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.generation import digest
from facejobs.gallery.name_list import name_line, name_lines, name_order
from facejobs.gallery.person_means import person_means
from facejobs.gallery.rows import ROW, EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.whole_file import naming

_BLOCK = 4096
_UNIT_TOLERANCE = 1e-3
_STREAMED: tuple[Role, ...] = ("embeddings", "rows", "photographs", "pictures")
_ENDINGS: dict[Role, str] = {
    "embeddings": "f32",
    "means": "f32",
    "people": "jsonl",
    "photographs": "jsonl",
    "pictures": "bin",
    "rows": "bin",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Draft:
    """Collects images in files of `folder`; `finish` gives them the names by which gallery.json lists them.

    To be used as a context manager, which removes what was not finished. Raises OSError naming the folder where the
    disk is full.
    """

    def __init__(self, folder: Path, embedding_size: int) -> None:
        self.folder = folder
        self.embedding_size = embedding_size
        self.count = 0
        self._people: dict[str, int] = {}
        self._picture_end = 0
        self._files: dict[Role, BinaryIO] = {}

    def __enter__(self) -> "Draft":
        for role in _STREAMED:
            self._files[role] = (self.folder / f"{TEMPORARY}{role}").open("w+b")
        return self

    def __exit__(self, *_error: object) -> None:
        for file in self._files.values():
            file.close()
        for path in self.folder.glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def add(self, image: EnrolledImage) -> None:
        """Add one image; raises GalleryError, saying of which person and photograph, for one that cannot be kept."""
        embedding = self._checked(image)
        picture = image.picture or b""
        row = np.zeros((), ROW)
        row["person"] = self._number(image.person)
        row["quality"] = image.quality
        row["picture_offset"], row["picture_bytes"] = self._picture_end, len(picture)
        row["sha256"] = np.frombuffer(bytes.fromhex(image.sha256), np.uint8)
        with naming(self.folder):
            self._files["embeddings"].write(embedding.tobytes())
            self._files["rows"].write(row.tobytes())
            self._files["photographs"].write(name_line(image.photograph))
            self._files["pictures"].write(picture)
        self._picture_end += len(picture)
        self.count += 1

    def take_over(self, gallery: Gallery, kept: NDArray[np.bool_]) -> None:
        """Add the images of these rows (N,) of a gallery as they are."""
        numbers = np.flatnonzero(kept)
        for start in range(0, len(numbers), _BLOCK):
            chosen = numbers[start : start + _BLOCK]
            with naming(self.folder):
                self._files["embeddings"].write(gallery.embeddings[chosen].tobytes())
                self._files["photographs"].writelines(gallery.photographs.lines(chosen))
                self._take_over_rows(gallery, chosen)
        self.count += len(numbers)

    def _take_over_rows(self, gallery: Gallery, chosen: NDArray[np.int64]) -> None:
        rows = gallery.table[chosen]
        present, places = np.unique(rows["person"], return_inverse=True)
        for number in np.flatnonzero(rows["picture_bytes"]):
            picture = gallery.picture(rows[number]) or b""
            rows["picture_offset"][number] = self._picture_end
            self._files["pictures"].write(picture)
            self._picture_end += len(picture)
        rows["person"] = np.array([self._number(gallery.people[int(person)]) for person in present])[places]
        self._files["rows"].write(rows.tobytes())

    def finish(self) -> tuple[dict[Role, FileRecord], int]:
        """Complete the files, durably; returns them, and how many people there are."""
        with naming(self.folder):
            for file in self._files.values():
                file.flush()
            people = sorted(self._people, key=name_order)
            person_of_row = self._number_by(people)
            self._write("people", name_lines(people))
            if len(people) < self.count:
                embeddings = self._read("embeddings").view("<f4").reshape(self.count, self.embedding_size)
                means = person_means(embeddings, person_of_row, len(people))
                self._write("means", (block.astype("<f4").tobytes() for block in means))
            return {role: self._publish(role) for role in self._files}, len(people)

    def _number_by(self, people: list[str]) -> NDArray[np.int64]:
        """Number the people in all rows by their place in `people`; returns the number in each row."""
        ranks = np.empty(len(people), np.int64)
        for rank, person in enumerate(people):
            ranks[self._people[person]] = rank
        rows = self._read("rows").view(ROW).copy()
        rows["person"] = ranks[rows["person"]]
        self._write("rows", [rows.tobytes()])
        return rows["person"].astype(np.int64)

    def _read(self, role: Role) -> NDArray[np.uint8]:
        file = self._files[role]
        if not os.fstat(file.fileno()).st_size:
            return np.empty(0, np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

    def _write(self, role: Role, blocks: Iterable[bytes]) -> None:
        if role in self._files:
            self._files.pop(role).close()
        self._files[role] = (self.folder / f"{TEMPORARY}{role}").open("w+b")
        self._files[role].writelines(blocks)
        self._files[role].flush()

    def _publish(self, role: Role) -> FileRecord:
        file = self._files[role]
        os.fsync(file.fileno())
        sha256 = digest(self._read(role))
        name = f"{role}-{sha256[:16]}.{_ENDINGS[role]}"
        Path(file.name).replace(self.folder / name)
        return FileRecord(name=name, sha256=sha256, bytes=os.fstat(file.fileno()).st_size)

    def _number(self, person: str) -> int:
        return self._people.setdefault(person, len(self._people))

    def _checked(self, image: EnrolledImage) -> NDArray[np.float32]:
        where = f"{image.photograph!r} of {image.person!r}"
        embedding = np.asarray(image.embedding, np.dtype("<f4"))
        if embedding.shape != (self.embedding_size,):
            raise GalleryError(f"{where}: its embedding has shape {embedding.shape}, not ({self.embedding_size},)")
        length = float(np.linalg.norm(embedding))
        if not abs(length - 1) <= _UNIT_TOLERANCE:
            raise GalleryError(f"{where}: its embedding has length {length:.4g}, not 1, so it cannot be compared")
        if not image.person:
            raise GalleryError(f"{where}: a person without a name cannot be enrolled")
        if not math.isfinite(image.quality):
            raise GalleryError(f"{where}: its quality is {image.quality}, not a finite number")
        if not _SHA256.fullmatch(image.sha256):
            raise GalleryError(f"{where}: {image.sha256!r} is not a SHA-256 in hexadecimal")
        return embedding
