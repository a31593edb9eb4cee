"""Who in a gallery is most similar to a face, by one of three rules."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.errors import GalleryError
from facejobs.gallery.index import VectorIndex
from facejobs.gallery.store import Gallery

Rule = Literal["mean", "image", "knn"]
RULES: tuple[Rule, ...] = get_args(Rule)
NOBODY = -1


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
      similarity is that to the person's nearest image. The runner-up has the next most.

    Similarity is the cosine. Raises GalleryError for embeddings of another size and for a rule or k that there is not.
    """
    queries = np.ascontiguousarray(embeddings, np.float32)
    if queries.ndim != 2 or queries.shape[1] != gallery.embedding_size:
        raise GalleryError(f"embeddings of {gallery.embedding_size} values are needed, not shape {queries.shape}")
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
    people = np.full((len(queries), 2), NOBODY, np.int64)
    similarity = np.full((len(queries), 2), -np.inf, np.float32)
    open_queries, k = np.arange(len(queries)), 2
    while len(open_queries):
        found, rows = index.search(queries[open_queries], k)
        persons = _persons(person_of_row, rows)
        other = (persons != persons[:, :1]) & (persons != NOBODY)
        second = np.where(other.any(1), other.argmax(1), 0)
        people[open_queries, 0], similarity[open_queries, 0] = persons[:, 0], found[:, 0]
        told = second > 0
        people[open_queries[told], 1] = persons[told, second[told]]
        similarity[open_queries[told], 1] = found[told, second[told]]
        # A person with many images may fill all k places.
        open_queries = open_queries[~told & (rows[:, -1] != NOBODY)]
        k *= 4
    return Matches(people, similarity)


def vote(index: VectorIndex, person_of_row: NDArray[np.int64], queries: NDArray[np.float32], k: int) -> Matches:
    """The persons with most and next most of the k nearest rows."""
    people = np.full((len(queries), 2), NOBODY, np.int64)
    similarity = np.full((len(queries), 2), -np.inf, np.float32)
    found, rows = index.search(queries, k)
    persons = _persons(person_of_row, rows)
    for query, row in enumerate(persons):
        voters = row[row != NOBODY]
        candidates, nearest, votes = np.unique(voters, return_index=True, return_counts=True)
        best = np.lexsort((nearest, -votes))[:2]
        people[query, : len(best)] = candidates[best]
        similarity[query, : len(best)] = found[query, nearest[best]]
    return Matches(people, similarity)


def _persons(person_of_row: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    persons = np.full(rows.shape, NOBODY, np.int64)
    persons[rows != NOBODY] = person_of_row[rows[rows != NOBODY]]
    return persons
