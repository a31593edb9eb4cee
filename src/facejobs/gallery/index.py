"""Nearest vectors by cosine similarity, through faiss, where the vectors lie: nothing is copied."""

from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

Nearest = tuple[NDArray[np.float32], NDArray[np.int64]]
_NONE = -1


class VectorIndex(Protocol):
    """Finds the rows of a set of unit vectors (N, D) that are most similar to queries."""

    def search(self, queries: NDArray[np.float32], k: int) -> Nearest:
        """Cosine similarities (M, k), the highest first, and the rows (M, k); -inf and -1 where no more are found.

        `queries` (M, D) is contiguous.
        """


class ExactIndex:
    """Compares each query with every vector, as faiss' IndexFlatIP does."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def search(self, queries: NDArray[np.float32], k: int) -> Nearest:
        """As VectorIndex says."""
        similarity, rows = _empty(len(queries), k)
        found = min(k, len(self._vectors))
        if found and len(queries):
            nearest = faiss.knn(queries, self._vectors, found, faiss.METRIC_INNER_PRODUCT)
            similarity[:, :found], rows[:, :found] = nearest
        return similarity, rows


class CellIndex:
    """Compares each query with the vectors of the `probes` cells whose centroids are nearest: faiss' IndexIVFFlat.

    `path` is a file of unit vectors, cell by cell; `cells` (C,) are as facejobs.gallery.rows describes them. The
    file is mapped into memory.
    """

    def __init__(self, path: Path, cells: NDArray[np.void], probes: int) -> None:
        counts = cells["count"].astype(np.int64)
        self._starts = np.cumsum(counts) - counts
        self._probes = probes
        size = cells["centroid"].shape[1]
        self._quantizer = faiss.IndexFlatIP(size)
        self._quantizer.add(np.ascontiguousarray(cells["centroid"]))
        self._lists = _mapped_lists(path, counts, self._starts, 4 * size)
        self._index = faiss.IndexIVFFlat(self._quantizer, size, len(cells), faiss.METRIC_INNER_PRODUCT)
        self._index.replace_invlists(self._lists, False)
        self._index.ntotal = int(counts.sum())
        self._index.nprobe = probes

    def search(self, queries: NDArray[np.float32], k: int) -> Nearest:
        """As VectorIndex says, with what it finds in the cells it looks into."""
        similarity, places = _empty(len(queries), k)
        if len(queries):
            nearness, cells = self._quantizer.search(queries, self._probes)
            arrays = (queries, cells, nearness, similarity, places)
            given, nearest, distances, out, labels = map(faiss.swig_ptr, arrays)
            # Cell and place in it, since the file keeps no numbers of rows.
            self._index.search_preassigned_c(len(queries), given, k, nearest, distances, out, labels, True)
        missing = places < 0
        rows = self._starts[np.where(missing, 0, places >> 32)] + (places & 0xFFFFFFFF)
        rows[missing], similarity[missing] = _NONE, -np.inf
        return similarity, rows


def _empty(queries: int, k: int) -> Nearest:
    return np.full((queries, k), -np.inf, np.float32), np.full((queries, k), _NONE, np.int64)


def _mapped_lists(path: Path, counts: NDArray[np.int64], starts: NDArray[np.int64], vector_bytes: int) -> Any:
    """The cells of the file as faiss' inverted lists; they hold vectors only, no identifiers."""
    lists = faiss.OnDiskInvertedLists()
    lists.nlist = len(counts)
    lists.code_size = vector_bytes
    lists.filename = str(path)
    lists.totsize = int(counts.sum()) * vector_bytes
    lists.read_only = True
    places = faiss.OnDiskOneListVector()
    for count, start in zip(counts.tolist(), starts.tolist(), strict=True):
        place = faiss.OnDiskOneList()
        place.size = place.capacity = count
        place.offset = start * vector_bytes
        places.push_back(place)
    lists.lists = places
    lists.do_mmap()
    return lists
