"""Many vectors sorted into cells, so that a search looks into the cells nearest to a query only.

The inverted file of Jégou, Douze and Schmid, "Product quantization for nearest neighbor search" (2011), without
compression: spherical k-means gives the cells, and the vectors of a cell lie together in the gallery's file.
"""

import math
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.rows import cell_dtype

APPROXIMATE_FROM = 200_000
"""From so many vectors on, they are searched by cells."""
_TRAINING_VECTORS = 64
"""Vectors a cell that k-means looks at; more do not make better cells."""
_ITERATIONS = 10
_BLOCK = 16384
_SEED = 6


class Cells(NamedTuple):
    """`cells` (C,), none empty, as facejobs.gallery.rows says; row i was row `order[i]` (N,) before."""

    cells: NDArray[np.void]
    order: NDArray[np.int64]


def arrange_in_cells(vectors: NDArray[np.float32], known: NDArray[np.int64] | None = None) -> Cells:
    """Sort vectors (N, D) into about 2 sqrt(N) cells.

    `known` (N,) says in which cell of an older arrangement a vector lay, -1 for a new one: they stay there, and new
    ones join the nearest, unless cells have become far too large or small, or hold none.

    A centroid is made of the vectors of its cell alone, so no trace of a removed one is kept.
    """
    cell = _extended(vectors, known) if known is not None and _still_fits(known) else _nearest(vectors, _train(vectors))
    cell = np.unique(cell, return_inverse=True)[1]
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell)
    cells = np.empty(len(counts), cell_dtype(vectors.shape[1]))
    cells["count"] = counts
    cells["centroid"] = _centroids(vectors, order, counts)
    return Cells(cells, order)


def _wanted_cells(count: int) -> int:
    return max(1, round(2 * math.sqrt(count)))


def _still_fits(known: NDArray[np.int64]) -> bool:
    cells = len(np.unique(known[known >= 0]))
    wanted = _wanted_cells(len(known))
    return wanted / 2 <= cells <= wanted * 2


def _train(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    count = _wanted_cells(len(vectors))
    random = np.random.default_rng(_SEED)
    sample = np.sort(random.choice(len(vectors), min(len(vectors), count * _TRAINING_VECTORS), replace=False))
    clustering = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_ITERATIONS,
        spherical=True,
        seed=_SEED,
        max_points_per_centroid=_TRAINING_VECTORS,
        min_points_per_centroid=1,
    )
    clustering.train(vectors[sample])
    centroids: NDArray[np.float32] = clustering.centroids
    return centroids


def _extended(vectors: NDArray[np.float32], known: NDArray[np.int64]) -> NDArray[np.int64]:
    cell: NDArray[np.int64] = np.unique(known, return_inverse=True)[1] - int(known.min() < 0)
    old = np.flatnonzero(known >= 0)
    order = old[np.argsort(cell[old], kind="stable")]
    centroids = _centroids(vectors, order, np.bincount(cell[old]))
    new = np.flatnonzero(known < 0)
    cell[new] = _nearest(vectors[new], centroids)
    return cell


def _nearest(vectors: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    blocks = [
        faiss.knn(vectors[start : start + _BLOCK], centroids, 1, faiss.METRIC_INNER_PRODUCT)[1][:, 0]
        for start in range(0, len(vectors), _BLOCK)
    ]
    return np.concatenate([np.empty(0, np.int64), *blocks])


def _centroids(
    vectors: NDArray[np.float32], order: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(C, D) unit rows; of vectors that cancel each other the centroid is their first."""
    centroids = np.empty((len(counts), vectors.shape[1]), np.float32)
    end = 0
    for cell, count in enumerate(counts):
        members = vectors[order[end : end + count]]
        end += count
        mean = members.mean(0)
        length = float(np.linalg.norm(mean))
        centroids[cell] = mean / length if length > 1e-6 else members[0]
    return centroids
