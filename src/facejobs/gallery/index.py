"""Nearest vectors by cosine similarity."""

from typing import Protocol

import faiss
import numpy as np
from numpy.typing import NDArray


class VectorIndex(Protocol):
    """Finds the rows of a set of unit vectors (N, D) that are most similar to queries."""

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cosine similarities (M, k), the highest first, and the rows (M, k); -inf and -1 where there are fewer."""


class ExactIndex:
    """Compares each query with every vector, where they lie: nothing is copied.

    The comparison is that of faiss' IndexFlatIP.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """As VectorIndex says."""
        similarity = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        found = min(k, len(self._vectors))
        if found and len(queries):
            similarity[:, :found], rows[:, :found] = faiss.knn(
                queries, self._vectors, found, faiss.METRIC_INNER_PRODUCT
            )
        return similarity, rows
