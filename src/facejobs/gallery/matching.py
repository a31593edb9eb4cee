"""Who in a gallery is most similar to a face, by one of three rules."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.errors import GalleryError
from facejobs.gallery.index import VectorIndex
from facejobs.gallery.rows import UNIT_TOLERANCE
from facejobs.gallery.store import Gallery

Rule = Literal["mean", "image", "knn"]
RULES: tuple[Rule, ...] = get_args(Rule)
NOBODY = -1
_LARGEST_ANSWER = 4_000_000


@dataclass(frozen=True)
class Matches:
    """Of each of M queries the best person and the runner-up, another person: numbers in `gallery.people`, -1 for none.

    `person` (M, 2), `similarity` (M, 2); the similarity to nobody is -inf.
    """

    person: NDArray[np.int64]
    similarity: NDArray[np.float32]


def match(gallery: Gallery, embeddings: NDArray[np.float32], rule: Rule = "mean", k: int = 5) -> Matches:
    """Match unit embeddings (M, D) with the people of a gallery.

    - `mean`: the person whose mean embedding is nearest; similarity to that mean;
    - `image`: the person whose image is nearest; similarity to that image;
    - `knn`: the person with most of the `k` nearest images; among equals the one whose image is nearest. The
      similarity is that to the person's nearest image. The runner-up has the next most, or is the next nearest if one
      has all; its nearest image may be nearer than that of the best.

    Similarity is the cosine. Raises GalleryError for embeddings of another size or length, and for a rule or k that
    there is not.
    """
    queries = np.ascontiguousarray(embeddings, np.float32)
    if queries.ndim != 2 or queries.shape[1] != gallery.embedding_size:
        raise GalleryError(f"embeddings of {gallery.embedding_size} values are needed, not shape {queries.shape}")
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    if not (abs(lengths - 1) <= UNIT_TOLERANCE).all():
        raise GalleryError("an embedding that is to be matched is not of unit length; normalise it first")
    if rule == "mean":
        return nearest_people(gallery.mean_index, gallery.person_of_mean, queries)
    if rule == "image":
        return nearest_people(gallery.image_index, gallery.person_of_row, queries)
    if rule != "knn":
        raise GalleryError(f"{rule!r} is no rule of matching; choose among {', '.join(RULES)}")
    if k < 1:
        raise GalleryError(f"k = {k} neighbours cannot vote; give 1 or more")
    return vote(gallery.image_index, gallery.person_of_row, queries, k)


def nearest_people(index: VectorIndex, person_of_row: NDArray[np.int64], queries: NDArray[np.float32]) -> Matches:
    """The persons of the nearest row, and of the nearest row that is of another person."""
    similarity, rows = index.search(queries, 2)
    matches = Matches(_persons(person_of_row, rows), similarity)
    waiting, k = np.flatnonzero(_of_one_person(matches.person)), 2
    matches.person[waiting, 1], matches.similarity[waiting, 1] = NOBODY, -np.inf
    while len(waiting):
        k *= 4
        # Blocks, since a person with very many images asks for a very large k.
        blocks = np.array_split(waiting, 1 + len(waiting) * k // _LARGEST_ANSWER)
        waiting = np.concatenate([_look_further(matches, block, index, person_of_row, queries, k) for block in blocks])
    return matches


def _look_further(
    matches: Matches,
    chosen: NDArray[np.int64],
    index: VectorIndex,
    person_of_row: NDArray[np.int64],
    queries: NDArray[np.float32],
    k: int,
) -> NDArray[np.int64]:
    """Find runners-up among the k nearest rows; returns the queries for which all of them are of one person."""
    similarity, rows = index.search(queries[chosen], k)
    persons = _persons(person_of_row, rows)
    other = (persons != persons[:, :1]) & (persons != NOBODY)
    told = np.flatnonzero(other.any(1))
    place = other[told].argmax(1)
    matches.person[chosen[told], 1] = persons[told, place]
    matches.similarity[chosen[told], 1] = similarity[told, place]
    waiting: NDArray[np.int64] = chosen[_of_one_person(persons)]
    return waiting


def _of_one_person(persons: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(M,): whether all these (M, k) are one, which leaves open who is next."""
    alike: NDArray[np.bool_] = (persons == persons[:, :1]).all(1) & (persons[:, -1] != NOBODY)
    return alike


def vote(index: VectorIndex, person_of_row: NDArray[np.int64], queries: NDArray[np.float32], k: int) -> Matches:
    """The persons with most and next most of the k nearest rows; where one has all, the other is the next nearest."""
    matches = _nobody(len(queries))
    similarity, rows = index.search(queries, k)
    for query, persons in enumerate(_persons(person_of_row, rows)):
        candidates, nearest, votes = np.unique(persons[persons != NOBODY], return_index=True, return_counts=True)
        best = np.lexsort((nearest, -votes))[:2]
        matches.person[query, : len(best)] = candidates[best]
        matches.similarity[query, : len(best)] = similarity[query, nearest[best]]
    alone = np.flatnonzero((matches.person[:, 0] != NOBODY) & (matches.person[:, 1] == NOBODY))
    next_nearest = nearest_people(index, person_of_row, queries[alone])
    matches.person[alone, 1], matches.similarity[alone, 1] = next_nearest.person[:, 1], next_nearest.similarity[:, 1]
    return matches


def _nobody(queries: int) -> Matches:
    return Matches(np.full((queries, 2), NOBODY, np.int64), np.full((queries, 2), -np.inf, np.float32))


def _persons(person_of_row: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(person_of_row):
        return rows
    persons: NDArray[np.int64] = person_of_row[rows]
    persons[rows == NOBODY] = NOBODY
    return persons
