"""The mean of each person's embeddings."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8192
_VANISHES = 1e-6


def person_means(
    embeddings: NDArray[np.float32], person_of_row: NDArray[np.int64], people: int
) -> Iterator[NDArray[np.float32]]:
    """Blocks that together are (P, D): the mean of each person's unit embeddings (N, D), scaled to unit length.

    Every person has an image. Embeddings that cancel each other have the mean 0, which is similar to nobody.
    """
    order = np.argsort(person_of_row, kind="stable")
    first = np.searchsorted(person_of_row[order], np.arange(people + 1))
    for start in range(0, people, _BLOCK):
        end = min(start + _BLOCK, people)
        rows = embeddings[order[first[start] : first[end]]]
        sums = np.add.reduceat(rows, first[start:end] - first[start], axis=0)
        means = sums / (first[start + 1 : end + 1] - first[start:end])[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        yield np.divide(means, lengths, out=np.zeros_like(means), where=lengths > _VANISHES).astype(np.float32)
