"""Likely mistakes among enrolled images: whose likeness contradicts their name.

Embeddings of any recogniser are judged by their own spread: what is usual between different people of this gallery says
what is unusual. All similarities are cosines.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

NEAR_IDENTICAL = 0.93
"""From this similarity on, two images are taken for one photograph; different ones of a person rarely reach it."""
MOST_IMAGES = 20_000
"""Larger galleries are not compared each with each."""

_MARGIN = 1.5
_NO_BETTER = 0.5
_FEWEST_PAIRS = 10
_BY_CHANCE = 0.1
_SAMPLE = 2_000
_ROWS_AT_ONCE = 1_024
_NORMAL_MAD = 1.4826  # standard deviations of a normal distribution in its median absolute deviation

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StrayImage:
    """An image (its row) that is no more like its person's others than like somebody else's, or than a stranger is.

    `own` is its similarity to the mean of its person's other images, `other` that to the nearest other person's mean.
    """

    row: int
    own: float
    other_person: int
    other: float


@dataclass(frozen=True, slots=True)
class AlikePeople:
    """Two people whose images are as alike as those of one; `similarity` is the mean over their pairs of images."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class SameImages:
    """Two images (rows) that are nearly the same."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class MixUps:
    """What was found, the most striking first."""

    strays: tuple[StrayImage, ...]
    alike: tuple[AlikePeople, ...]
    same: tuple[SameImages, ...]


def find_mix_ups(embeddings: Vectors, person_of_row: Numbers) -> MixUps:
    """Compare each image with each person, each person with each and each image with each.

    `embeddings` (N, D) have unit length, `person_of_row` (N,) are numbers from 0. N^2 D operations.
    """
    if len(embeddings) == 0:
        return MixUps((), (), ())
    people, places = np.unique(person_of_row, return_inverse=True)
    sums = np.zeros((len(people), embeddings.shape[1]), np.float32)
    np.add.at(sums, places, embeddings)
    counts = np.bincount(places)
    strays = _strays(embeddings, places, sums, counts)
    alike = _alike(sums / counts[:, None].astype(np.float32), counts)
    return MixUps(
        tuple(replace(stray, other_person=int(people[stray.other_person])) for stray in strays),
        tuple(replace(pair, first=int(people[pair.first]), second=int(people[pair.second])) for pair in alike),
        tuple(_same(embeddings)),
    )


def _strays(embeddings: Vectors, person_of_row: Numbers, sums: Vectors, counts: Numbers) -> list[StrayImage]:
    """Images nearer to another person by 1.5 deviations of what strangers are to each other, or at most half a
    deviation above what strangers are."""
    if len(sums) < 2:
        return []
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    usual, deviation = _between_strangers(embeddings, person_of_row, means)
    rest = sums[person_of_row] - embeddings
    lengths = np.maximum(np.linalg.norm(rest, axis=1), 1e-12)
    own = (rest * embeddings).sum(axis=1) / lengths
    found = []
    for start, block in _blocks(embeddings, means):
        rows = np.arange(start, start + len(block))
        block[np.arange(len(block)), person_of_row[rows]] = -np.inf
        nearest = block.argmax(axis=1)
        other = block[np.arange(len(block)), nearest]
        judged = counts[person_of_row[rows]] > 1
        unlike = own[rows] < usual + _NO_BETTER * deviation
        for index in np.flatnonzero(judged & (unlike | (other - own[rows] > _MARGIN * deviation))):
            row = int(rows[index])
            found.append(StrayImage(row, float(own[row]), int(nearest[index]), float(other[index])))
    return sorted(found, key=lambda stray: stray.own - stray.other)


def _between_strangers(embeddings: Vectors, person_of_row: Numbers, means: Vectors) -> tuple[float, float]:
    """Median and robust deviation of the similarities of images to other people's means, of a sample of both."""
    rng = np.random.default_rng(0)
    rows = _sample(rng, len(embeddings))
    people = _sample(rng, len(means))
    similarities = embeddings[rows] @ means[people].T
    return _median_and_deviation(similarities[person_of_row[rows][:, None] != people])


def _alike(centres: Vectors, counts: Numbers) -> list[AlikePeople]:
    """Pairs beyond what one of all reaches in one of ten galleries by chance, were strangers' similarities normal,
    and not below the lower quartile of what people have in common with themselves; below the median, where there are
    too few people to tell chance.

    `centres` (P, D) are the means of people's embeddings, not of unit length.
    """
    several = counts > 1
    bounds = []
    pairs = len(centres) * (len(centres) - 1) // 2
    if pairs >= _FEWEST_PAIRS:
        some = centres[_sample(np.random.default_rng(0), len(centres))]
        usual, deviation = _median_and_deviation((some @ some.T)[np.triu_indices(len(some), 1)])
        bounds.append(usual + float(norm.isf(_BY_CHANCE / pairs)) * deviation)
    if several.any():
        number = counts[several]
        squares = (centres[several] ** 2).sum(axis=1)
        # The mean over all pairs of a person's images, those of an image with itself left out.
        within = (squares * number - 1) / (number - 1)
        bounds.append(float(np.quantile(within, 0.25 if bounds else 0.5)))
    if not bounds:
        return []
    found = []
    for start, block in _blocks(centres, centres):
        for row, column in np.argwhere(block >= max(bounds)):
            if start + row < column:
                found.append(AlikePeople(int(start + row), int(column), float(block[row, column])))
    return sorted(found, key=lambda pair: -pair.similarity)


def _same(embeddings: Vectors) -> list[SameImages]:
    found = []
    for start, block in _blocks(embeddings, embeddings):
        for row, column in np.argwhere(block >= NEAR_IDENTICAL):
            if start + row < column:
                found.append(SameImages(int(start + row), int(column), float(block[row, column])))
    return sorted(found, key=lambda pair: -pair.similarity)


def _blocks(queries: Vectors, targets: Vectors) -> Iterator[tuple[int, Vectors]]:
    """Similarities of a few queries at a time to all targets, with the number of the first."""
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        yield start, queries[start : start + _ROWS_AT_ONCE] @ targets.T


def _sample(rng: np.random.Generator, count: int) -> Numbers:
    return np.arange(count) if count <= _SAMPLE else rng.choice(count, _SAMPLE, replace=False)


def _median_and_deviation(values: NDArray[np.float32]) -> tuple[float, float]:
    if len(values) == 0:
        return 0.0, math.inf
    median = float(np.median(values))
    return median, _NORMAL_MAD * float(np.median(np.abs(values - median)))
