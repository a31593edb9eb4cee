"""A gallery of known people, opened for reading.

The folder is described in docs/reference/gallery-format.md; facejobs.gallery.changes writes it.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.description import CellSearch, ModelRecord, Role, read_description
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.generation import Generation
from facejobs.gallery.name_list import NameList
from facejobs.gallery.rows import EnrolledImage
from facejobs.inference.model_identity import ModelIdentity

if TYPE_CHECKING:
    from facejobs.gallery.index import VectorIndex

_TRIES = 10


class Gallery:
    """The gallery as it was when it was opened: a change made since is seen by opening it again.

    Vectors are mapped into memory, so that one with a million people opens in less than two seconds. `people` are
    sorted; a person's number is their place there. `embeddings` (N, D) has unit rows; row i is of the person with the
    number `person_of_row[i]`, and `table[i]` (facejobs.gallery.rows) says the rest of it.
    """

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        description = generation.description
        self.folder = generation.folder
        self.description = description
        self.people = _names(generation, "people", description.people)
        self.embeddings: NDArray[np.float32] = generation.vectors("embeddings", description.images)
        self.table = generation.rows()
        self.person_of_row: NDArray[np.int64] = self.table["person"].astype(np.int64)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open the gallery in `folder`, whole, as it was before or after any change made meanwhile.

        The size of every file is verified, and the digest of all but vectors and pictures above 256 MiB, which `verify`
        compares. Raises GalleryError for what is not a gallery, or a damaged or edited one.
        """
        folder = Path(folder)
        description = read_description(folder)
        for _ in range(_TRIES):
            try:
                return cls(Generation(folder, description))
            except FileNotFoundError as error:
                # A writer removes the files of the gallery it replaced.
                newer = read_description(folder)
                if newer == description:
                    raise GalleryError(
                        f"{error.filename} is missing, though gallery.json lists it; copy the whole gallery again"
                    ) from None
                description = newer
        raise GalleryError(f"{folder} changes faster than it can be read; try again when nobody changes it")

    @property
    def detector(self) -> ModelIdentity:
        """The detector that found the enrolled faces."""
        return _identity(self.description.detector)

    @property
    def recogniser(self) -> ModelIdentity:
        """The recogniser that embedded them."""
        return _identity(self.description.recogniser)

    @property
    def calibration(self) -> dict[str, Any] | None:
        """What `set_calibration` was given last; None for a gallery that was never calibrated."""
        return self.description.calibration

    @property
    def embedding_size(self) -> int:
        """D, the number of values of an embedding."""
        return self.description.embedding_size

    @property
    def means(self) -> NDArray[np.float32]:
        """(P, D): of each person the mean of their embeddings, at unit length; row i is of `person_of_mean[i]`."""
        if "means" not in self.description.files:
            return self.embeddings
        return self._generation.vectors("means", len(self.people))

    @cached_property
    def person_of_mean(self) -> NDArray[np.int64]:
        """(P,): whose mean each row of `means` is."""
        if "means" not in self.description.files:
            return self.person_of_row
        if "mean_people" not in self.description.files:
            return np.arange(len(self.people))
        people = self._generation.table("mean_people", np.dtype("<u4"), len(self.people)).astype(np.int64)
        if len(people) and int(people.max()) >= len(self.people):
            raise GalleryError(f"{self.folder}: a mean is of a person who is not listed; copy the whole gallery again")
        return people

    @cached_property
    def image_counts(self) -> NDArray[np.int64]:
        """(P,): how many images each person has."""
        return np.bincount(self.person_of_row, minlength=len(self.people))

    @cached_property
    def cell_of_row(self) -> NDArray[np.int64]:
        """(N,): in which cell each row of `embeddings` lies; -1 where they are not sorted into cells."""
        if self.description.image_search is None:
            return np.full(len(self.embeddings), -1)
        counts = self._generation.cells("image_cells", len(self.embeddings))["count"]
        return np.repeat(np.arange(len(counts)), counts)

    @cached_property
    def image_index(self) -> "VectorIndex":
        """Finds rows of `embeddings`: exactly, or by cells where there are many."""
        return self._index(self.embeddings, "image_cells", self.description.image_search)

    @cached_property
    def mean_index(self) -> "VectorIndex":
        """Finds rows of `means`."""
        if "means" not in self.description.files:
            return self.image_index
        return self._index(self.means, "mean_cells", self.description.mean_search)

    def _index(self, vectors: NDArray[np.float32], cells_role: Role, search: CellSearch | None) -> "VectorIndex":
        from facejobs.gallery.index import CellIndex, ExactIndex

        if search is None or not len(vectors):
            return ExactIndex(vectors)
        cells = self._generation.cells(cells_role, len(vectors))
        return CellIndex(vectors, cells, min(search.probes, len(cells)))

    @cached_property
    def photographs(self) -> NameList:
        """Of each row the name of its photograph."""
        return _names(self._generation, "photographs", len(self.table))

    def rows_of(self, person: str) -> NDArray[np.int64]:
        """The rows that hold this person's images; raises GalleryError for somebody who is not enrolled."""
        return np.flatnonzero(self.person_of_row == self.number_of(person))

    def number_of(self, person: str) -> int:
        """This person's place in `people`; raises GalleryError for somebody who is not enrolled."""
        number = self.people.find(person)
        if number is None:
            raise GalleryError(f"{self.folder}: {person!r} is not in this gallery{_suggest(person, self.people)}")
        return number

    def image(self, row: int) -> EnrolledImage:
        """All that is kept of the image in this row."""
        record = self.table[row]
        return EnrolledImage(
            person=self.people[int(record["person"])],
            photograph=self.photographs[row],
            sha256=bytes(record["sha256"]).hex(),
            embedding=self.embeddings[row],
            quality=float(record["quality"]),
            picture=self.picture(record),
        )

    def images(self) -> Iterator[EnrolledImage]:
        """All images, row by row."""
        return (self.image(row) for row in range(len(self.table)))

    def require_models(self, detector: ModelIdentity, recogniser: ModelIdentity) -> None:
        """Raise GalleryError unless these models made the gallery: embeddings of others cannot be compared."""
        for kind, made, given in (
            ("detector", self.detector, detector),
            ("recogniser", self.recogniser, recogniser),
        ):
            if made.sha256 != given.sha256:
                raise GalleryError(
                    f"{self.folder} was made by the {kind} {made.name} ({made.sha256[:12]}), not by {given.name} "
                    f"({given.sha256[:12]}); give that {kind}, or build the gallery anew with this one"
                )

    def verify(self) -> None:
        """Compare every file with its digest, however large; raises GalleryError where one differs."""
        self._generation.verify()

    def picture(self, record: Any) -> bytes | None:
        """The picture of the face that a record of `table` names; None where it has none."""
        offset, size = int(record["picture_offset"]), int(record["picture_bytes"])
        content = self._generation.content("pictures")
        if offset + size > len(content):
            raise GalleryError(f"{self.folder}: a picture lies beyond the end of its file; copy the gallery again")
        return content[offset : offset + size] if size else None


def _names(generation: Generation, role: Role, count: int) -> NameList:
    names = NameList(generation.content(role)[:], generation.path(role))
    if len(names) != count:
        raise GalleryError(f"{generation.path(role)} has {len(names)} lines, not {count}; copy the whole gallery again")
    return names


def _suggest(person: str, people: NameList) -> str:
    """The nearest names, for a message; a gallery of many people is not searched for them."""
    from difflib import get_close_matches

    near = get_close_matches(person, people[:10_000], 3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "; `facejobs gallery list` shows who is"


def _identity(record: ModelRecord) -> ModelIdentity:
    return ModelIdentity(name=record.name, sha256=record.sha256)
