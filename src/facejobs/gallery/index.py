"""Nearest vectors by cosine similarity, through faiss, where the vectors lie: nothing is copied."""

import weakref
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
        found = min(k, len(self._vectors))
        if not found or not len(queries):
            return _empty(len(queries), k)
        similarity, rows = faiss.knn(queries, self._vectors, found, faiss.METRIC_INNER_PRODUCT)
        if found < k:
            more = ((0, 0), (0, k - found))
            similarity = np.pad(similarity, more, constant_values=-np.inf)
            rows = np.pad(rows, more, constant_values=_NONE)
        return similarity, rows


class CellIndex:
    """Compares each query with the vectors of the `probes` cells whose centroids are nearest: faiss' IndexIVFFlat.

    The unit vectors (N, D) lie cell by cell, as `cells` (C,) describes them (facejobs.gallery.rows).
    """

    def __init__(self, vectors: NDArray[np.float32], cells: NDArray[np.void], probes: int) -> None:
        size = vectors.shape[1]
        self._quantizer = faiss.IndexFlatIP(size)
        self._quantizer.add(np.ascontiguousarray(cells["centroid"]))
        self._lists, numbers = _lists_in_place(vectors, cells["count"].astype(np.int64))
        # faiss would unmap what it did not map.
        weakref.finalize(self, _let_go, self._lists, vectors, numbers)
        self._index = faiss.IndexIVFFlat(self._quantizer, size, len(cells), faiss.METRIC_INNER_PRODUCT)
        self._index.replace_invlists(self._lists, False)
        self._index.ntotal = len(vectors)
        self._index.nprobe = probes

    def search(self, queries: NDArray[np.float32], k: int) -> Nearest:
        """As VectorIndex says, with what it finds in the cells it looks into."""
        similarity, rows = self._index.search(queries, k) if len(queries) else _empty(0, k)
        similarity[rows == _NONE] = -np.inf
        return similarity, rows


def _empty(queries: int, k: int) -> Nearest:
    return np.full((queries, k), -np.inf, np.float32), np.full((queries, k), _NONE, np.int64)


def _lists_in_place(vectors: NDArray[np.float32], counts: NDArray[np.int64]) -> tuple[Any, NDArray[np.uint8]]:
    """faiss' inverted lists over vectors where they lie, and the memory with the numbers of rows that they refer to.

    faiss expects the numbers of a list `capacity` vectors after its first one. That may be anywhere in memory, so it
    is where there is room for them, at a distance that is a multiple of a vector.
    """
    vector_bytes = vectors.strides[0]
    lists = faiss.OnDiskInvertedLists()
    lists.nlist, lists.code_size, lists.read_only = len(counts), vector_bytes, True
    lists.ptr = faiss.cast_integer_to_uint8_ptr(vectors.ctypes.data)
    lists.prefetch_nthread = 0
    numbers = np.empty(8 * int(counts.sum()) + vector_bytes * (len(counts) + 1), np.uint8)
    places, row, end = faiss.OnDiskOneListVector(), 0, 0
    for count in counts.tolist():
        end += (vectors.ctypes.data - numbers.ctypes.data - end) % vector_bytes
        place = faiss.OnDiskOneList()
        place.size, place.offset = count, row * vector_bytes
        distance = numbers.ctypes.data + end - vectors.ctypes.data - place.offset
        place.capacity = distance // vector_bytes % 2**64
        places.push_back(place)
        numbers[end : end + 8 * count] = np.arange(row, row + count).view(np.uint8)
        row, end = row + count, end + 8 * count
    lists.lists = places
    return lists, numbers


def _let_go(lists: Any, *_memory: object) -> None:
    lists.ptr = None
