"""What a draft needs to become a gallery: numbered people, their means, and cells where there are many vectors."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.cells import APPROXIMATE_FROM, arrange_in_cells
from facejobs.gallery.description import CellSearch, FileRecord, Role
from facejobs.gallery.draft import Draft
from facejobs.gallery.name_list import NameList, name_lines, name_order
from facejobs.gallery.person_means import person_means
from facejobs.gallery.recall import choose_probes
from facejobs.gallery.rows import ROW
from facejobs.storage.whole_file import naming

_BLOCK = 4096


class Completed(NamedTuple):
    """The files of a gallery, and what gallery.json says of them."""

    files: dict[Role, FileRecord]
    people: int
    images: int
    image_search: CellSearch | None
    mean_search: CellSearch | None


def complete(draft: Draft) -> Completed:
    """Write what is missing, and have all files of the draft on disk under the names by which they are listed."""
    with naming(draft.folder):
        people = sorted(draft.people, key=name_order)
        draft.files.replace("people", name_lines(people))
        rows = _numbered_rows(draft, people)
        image_search = mean_search = None
        if draft.count >= APPROXIMATE_FROM:
            rows, image_search = _arrange_images(draft, rows)
        draft.files.replace("rows", [rows.tobytes()])
        if len(people) < draft.count:
            means = person_means(_vectors(draft, "embeddings"), rows["person"].astype(np.int64), len(people))
            draft.files.replace("means", (block.tobytes() for block in means))
            if len(people) >= APPROXIMATE_FROM:
                mean_search = _arrange_means(draft)
        return Completed(draft.files.publish(), len(people), draft.count, image_search, mean_search)


def _numbered_rows(draft: Draft, people: list[str]) -> NDArray[np.void]:
    """The table of images, with people numbered by their place in `people`."""
    ranks = np.empty(len(people), np.int64)
    ranks[[draft.people[person] for person in people]] = np.arange(len(people))
    rows: NDArray[np.void] = np.frombuffer(draft.files.read("rows"), ROW).copy()
    rows["person"] = ranks[rows["person"]]
    return rows


def _arrange_images(draft: Draft, rows: NDArray[np.void]) -> tuple[NDArray[np.void], CellSearch]:
    names = NameList(draft.files.read("photographs")[:], draft.folder)
    order, search = _arrange(draft, "embeddings", "image_cells", draft.cells)
    draft.files.replace("photographs", names.lines(order))
    return rows[order], search


def _arrange_means(draft: Draft) -> CellSearch:
    order, search = _arrange(draft, "means", "mean_cells")
    draft.files.replace("mean_people", [order.astype("<u4").tobytes()])
    return search


def _arrange(
    draft: Draft, role: Role, cells_role: Role, known: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], CellSearch]:
    """Sort the vectors of a file into cells; returns the old number of each in the new order."""
    vectors = _vectors(draft, role)
    cells, order = arrange_in_cells(vectors, known)
    draft.files.replace(role, _in_order(vectors, order))
    draft.files.replace(cells_role, [cells.tobytes()])
    return order, choose_probes(_vectors(draft, role), cells)


def _in_order(vectors: NDArray[np.float32], order: NDArray[np.int64]) -> Iterator[bytes]:
    return (vectors[order[start : start + _BLOCK]].tobytes() for start in range(0, len(order), _BLOCK))


def _vectors(draft: Draft, role: Role) -> NDArray[np.float32]:
    return np.frombuffer(draft.files.read(role), np.dtype("<f4")).reshape(-1, draft.embedding_size)
