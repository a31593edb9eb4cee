"""Faces compared with a gallery to calibrate it: enrolled ones against the others, or photographs against all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facejobs.evaluation.accept_threshold import IdentificationTrials
from facejobs.gallery.matching import Rule, match
from facejobs.gallery.probes import Probes
from facejobs.gallery.store import Gallery

Embeddings = NDArray[np.float32]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

STRANGER = -1

MOST_ENROLLED = 5000
"""Of a large gallery no more images are tried."""
_FACES_AT_ONCE = 512
_ROWS_AT_ONCE = 1 << 15
_NO_DIRECTION = 1e-6
_SAME_PHOTOGRAPH = 1 - 1e-5


def trials_of_probes(
    gallery: Gallery, probes: Probes, enrolled: Flags, rule: Rule, neighbours: int
) -> IdentificationTrials:
    """Compare the photographs of people who are in the gallery, and of people who are not, with everybody in it.

    Only where all are in it are they tried as strangers too, by the best match that is somebody else: with true
    strangers that would dilute their rate. A photograph that is `enrolled` (P,; see enrolled_probes) says nothing of
    its own person, and one of a stranger nothing at all: that person is in the gallery under some name.
    """
    own = find_people(gallery, probes.persons)
    pooled = not (own == STRANGER).any()
    own = own[probes.searched]
    matches = match(gallery, probes.embeddings[probes.searched], rule, neighbours)
    first_is_own = matches.person[:, 0] == own
    others = np.where(first_is_own, matches.similarity[:, 1], matches.similarity[:, 0])
    apart = ~enrolled[probes.searched]
    known = (own != STRANGER) & apart
    subjects = probes.subjects[probes.searched]
    strangers = np.full(len(own), True) if pooled else (own == STRANGER) & apart
    return _trials(known, strangers, first_is_own, matches.similarity[:, 0], others, subjects, pooled)


def find_people(gallery: Gallery, persons: Sequence[str]) -> Numbers:
    """The number of each of these persons in the gallery, STRANGER for who is not in it."""
    numbers = {person: gallery.people.find(person) for person in set(persons)}
    return np.array([STRANGER if numbers[person] is None else numbers[person] for person in persons], np.int64)


def enrolled_probes(gallery: Gallery, probes: Probes) -> Flags:
    """Which photographs (P,) are enrolled themselves: that they are recognised proves nothing."""
    enrolled = probes.searched.copy()
    nearest = match(gallery, probes.embeddings[probes.searched], "image").similarity[:, 0]
    enrolled[probes.searched] = nearest >= _SAME_PHOTOGRAPH
    return enrolled


def accepted_strangers(
    gallery: Gallery, probes: Probes, rule: Rule, neighbours: int, threshold: float
) -> list[tuple[str, str, float]]:
    """Photograph, person and similarity of each stranger who is taken for somebody, the most similar first.

    One that is very similar may show that person, under another name or in a folder of strangers.
    """
    strangers = (find_people(gallery, probes.persons) == STRANGER) & probes.searched
    matches = match(gallery, probes.embeddings[strangers], rule, neighbours)
    found = [
        (probes.names[probe], gallery.people[person], similarity)
        for probe, person, similarity in zip(
            np.flatnonzero(strangers), matches.person[:, 0].tolist(), matches.similarity[:, 0].tolist(), strict=True
        )
        if similarity >= threshold
    ]
    return sorted(found, key=lambda accepted: -accepted[2])


def trials_inside(gallery: Gallery, rule: Rule, most: int = MOST_ENROLLED, seed: int = 0) -> IdentificationTrials:
    """Compare `most` enrolled images with the rest of the gallery: that person's other images, and all other people.

    Says little of other photographs: those of one person were often taken on one day, and chosen for their quality.
    `knn` is tried as `image`, whose best similarity it never exceeds.
    """
    rows = np.arange(len(gallery.embeddings))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    faces, people = gallery.embeddings[rows], gallery.person_of_row[rows]
    if rule == "mean":
        own = _similarity_to_own_mean(gallery, rows)
        _, others = _own_and_others(faces, people, np.full(len(rows), -1), gallery.means, gallery.person_of_mean)
    else:
        own, others = _own_and_others(faces, people, rows, gallery.embeddings, gallery.person_of_row)
    everybody = np.full(len(rows), True)
    return _trials(np.isfinite(own), everybody, own > others, np.maximum(own, others), others, people, pooled=True)


def _trials(
    known: Flags,
    strangers: Flags,
    right: Flags,
    best: Embeddings,
    others: Embeddings,
    subjects: Numbers,
    pooled: bool,
) -> IdentificationTrials:
    """`others` is the best similarity to somebody else, -inf where there is nobody else."""
    strangers = strangers & np.isfinite(others)
    return IdentificationTrials(
        known=best[known].astype(np.float64),
        known_right=right[known],
        known_people=subjects[known],
        strangers=others[strangers].astype(np.float64),
        stranger_people=subjects[strangers],
        known_as_strangers=pooled,
    )


def _similarity_to_own_mean(gallery: Gallery, rows: Numbers) -> Embeddings:
    """Of each row the similarity to the mean of that person's other images, -inf for an only image."""
    people, place = np.unique(gallery.person_of_row[rows], return_inverse=True)
    theirs = np.flatnonzero(np.isin(gallery.person_of_row, people))
    sums = np.zeros((len(people), gallery.embedding_size), np.float32)
    np.add.at(sums, np.searchsorted(people, gallery.person_of_row[theirs]), gallery.embeddings[theirs])
    faces = gallery.embeddings[rows]
    rest = sums[place] - faces
    lengths = np.linalg.norm(rest, axis=1)
    others = (gallery.image_counts[gallery.person_of_row[rows]] > 1) & (lengths > _NO_DIRECTION)
    similarity = np.full(len(rows), -np.inf, np.float32)
    similarity[others] = np.einsum("ij,ij->i", faces[others], rest[others]) / lengths[others]
    return similarity


def _own_and_others(
    faces: Embeddings, people: Numbers, own_rows: Numbers, vectors: Embeddings, person_of_vector: Numbers
) -> tuple[Embeddings, Embeddings]:
    """Of each face the highest similarity to a vector of its person but that in `own_rows`, and to one of others."""
    own = np.full(len(faces), -np.inf, np.float32)
    others = own.copy()
    for first in range(0, len(faces), _FACES_AT_ONCE):
        part = slice(first, first + _FACES_AT_ONCE)
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            cosines = faces[part] @ vectors[start : start + _ROWS_AT_ONCE].T
            theirs = people[part, None] == person_of_vector[None, start : start + _ROWS_AT_ONCE]
            itself = own_rows[part, None] == np.arange(start, start + cosines.shape[1])[None]
            np.maximum(own[part], np.where(theirs & ~itself, cosines, -np.inf).max(axis=1), out=own[part])
            np.maximum(others[part], np.where(theirs, -np.inf, cosines).max(axis=1), out=others[part])
    return own, others
