"""How much a search by cells finds of what an exact search finds."""

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.description import CellSearch
from facejobs.gallery.index import CellIndex, ExactIndex

_QUERIES = 1000
_QUERY_SIMILARITY = 0.6
_WANTED = 0.99
_SEED = 6


def choose_probes(vectors: NDArray[np.float32], cells: NDArray[np.void]) -> CellSearch:
    """The fewest cells to look into, by doubling, so that the nearest vector is found for 99 % of queries.

    A query is a vector of the gallery turned into a random direction until its cosine similarity to itself is 0.6,
    about that of two photographs of one person. `vectors` (N, D) lie as `cells` arranges them.
    """
    queries = turned(vectors, _QUERIES, _QUERY_SIMILARITY)
    nearest = ExactIndex(vectors).search(queries, 1)[1]
    probes = 1
    while True:
        found = CellIndex(vectors, cells, probes).search(queries, 1)[1]
        recall = float((found == nearest).mean())
        if recall >= _WANTED or probes == len(cells):
            return CellSearch(
                cells=len(cells),
                probes=probes,
                recall_at_1=recall,
                queries=len(queries),
                query_similarity=_QUERY_SIMILARITY,
            )
        probes = min(2 * probes, len(cells))


def turned(vectors: NDArray[np.float32], count: int, similarity: float) -> NDArray[np.float32]:
    """(count, D): some of the unit vectors (N, D), each turned until its cosine with itself is `similarity`."""
    random = np.random.default_rng(_SEED)
    chosen = vectors[np.sort(random.choice(len(vectors), min(count, len(vectors)), replace=False))]
    noise = random.standard_normal(chosen.shape)
    noise -= (noise * chosen).sum(1, keepdims=True) * chosen
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    queries: NDArray[np.float32] = (similarity * chosen + (1 - similarity**2) ** 0.5 * noise).astype(np.float32)
    return queries
