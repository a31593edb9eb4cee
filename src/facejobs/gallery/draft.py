"""The images of a gallery's next generation, written to files as they come."""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.draft_files import DraftFiles
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.name_list import name_line
from facejobs.gallery.rows import ROW, UNIT_TOLERANCE, EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.storage.whole_file import naming

_BLOCK = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")
NO_CELL = -1


class Draft:
    """Collects images: those that are added, then those taken over from the gallery that is changed.

    A context manager, which removes what was not published. `files` holds embeddings, rows, photographs and pictures;
    in the rows, a person is numbered by the place of their name in `people`. `cells` says of each row in which cell of
    the old gallery it lay, NO_CELL for one that is new. Methods raise OSError naming the folder where the disk is full.
    """

    def __init__(self, folder: Path, embedding_size: int) -> None:
        self.folder = folder
        self.embedding_size = embedding_size
        self.files = DraftFiles(folder)
        self.people: dict[str, int] = {}
        self.count = 0
        self._cells: list[NDArray[np.int64]] = []
        self._picture_end = 0

    def __enter__(self) -> "Draft":
        for role in ("embeddings", "rows", "photographs"):
            self.files.append(role, ())
        return self

    def __exit__(self, *_error: object) -> None:
        self.files.close()

    @property
    def cells(self) -> NDArray[np.int64]:
        """(N,) as the class says."""
        return np.concatenate([np.full(self.count - sum(map(len, self._cells)), NO_CELL), *self._cells])

    def add(self, image: EnrolledImage) -> None:
        """Add one image; raises GalleryError, saying of which person and photograph, for one that cannot be kept."""
        embedding = self._checked(image)
        row = np.zeros(1, ROW)
        row["person"] = self._number(image.person)
        row["quality"] = image.quality
        row["sha256"] = np.frombuffer(bytes.fromhex(image.sha256), np.uint8)
        with naming(self.folder):
            self._add_picture(row, image.picture)
            self.files.append("embeddings", [embedding.tobytes()])
            self.files.append("rows", [row.tobytes()])
            self.files.append("photographs", [name_line(image.photograph)])
        self.count += 1

    def take_over(self, gallery: Gallery, kept: NDArray[np.bool_]) -> None:
        """Add the images of these rows (N,) of a gallery as they are; nothing can be added after that."""
        numbers = np.flatnonzero(kept)
        for start in range(0, len(numbers), _BLOCK):
            chosen = numbers[start : start + _BLOCK]
            with naming(self.folder):
                self.files.append("embeddings", [gallery.embeddings[chosen].tobytes()])
                self.files.append("photographs", gallery.photographs.lines(chosen))
                self.files.append("rows", [self._renumbered(gallery, chosen).tobytes()])
        self._cells.append(gallery.cell_of_row[numbers])
        self.count += len(numbers)

    def _renumbered(self, gallery: Gallery, chosen: NDArray[np.int64]) -> NDArray[np.void]:
        """These rows of the table, with the numbers that people, and the places that pictures, have here."""
        rows: NDArray[np.void] = gallery.table[chosen]
        for number in np.flatnonzero(rows["picture_bytes"]):
            self._add_picture(rows[number : number + 1], gallery.picture(rows[number]))
        present, places = np.unique(rows["person"], return_inverse=True)
        rows["person"] = np.array([self._number(gallery.people[int(person)]) for person in present])[places]
        return rows

    def _add_picture(self, row: NDArray[np.void], picture: bytes | None) -> None:
        if picture:
            row["picture_offset"], row["picture_bytes"] = self._picture_end, len(picture)
            self.files.append("pictures", [picture])
            self._picture_end += len(picture)

    def _number(self, person: str) -> int:
        return self.people.setdefault(person, len(self.people))

    def _checked(self, image: EnrolledImage) -> NDArray[np.float32]:
        where = f"{image.photograph!r} of {image.person!r}"
        embedding = np.asarray(image.embedding, np.dtype("<f4"))
        if embedding.shape != (self.embedding_size,):
            raise GalleryError(f"{where}: its embedding has shape {embedding.shape}, not ({self.embedding_size},)")
        length = float(np.linalg.norm(embedding))
        if not abs(length - 1) <= UNIT_TOLERANCE:
            raise GalleryError(f"{where}: its embedding has length {length:.4g}, not 1, so it cannot be compared")
        if not image.person:
            raise GalleryError(f"{where}: a person without a name cannot be enrolled")
        if not math.isfinite(image.quality):
            raise GalleryError(f"{where}: its quality is {image.quality}, not a finite number")
        if not _SHA256.fullmatch(image.sha256):
            raise GalleryError(f"{where}: {image.sha256!r} is not a SHA-256 in hexadecimal")
        return embedding
