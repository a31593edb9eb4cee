"""The rules of matching, against the same computed one by one."""

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.gallery.changes import changing, create_gallery
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.matching import RULES, match
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.model_identity import ModelIdentity

Enrol = Callable[..., EnrolledImage]
Make = Callable[..., Gallery]
MODEL = ModelIdentity("m", "0" * 64)


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest(similarity: np.ndarray, persons: np.ndarray) -> list[tuple[int, float]]:
    """The two nearest persons, each with the similarity of their nearest row."""
    best = {person: similarity[persons == person].max() for person in set(persons.tolist())}
    ranked = sorted(best.items(), key=lambda item: -item[1])
    return [*ranked, (-1, -np.inf)][:2]


def votes(similarity: np.ndarray, persons: np.ndarray, k: int) -> list[tuple[int, float]]:
    """The two persons with most of the k nearest rows."""
    order = np.argsort(-similarity)[:k]
    counted = Counter(persons[order].tolist())
    best = {person: similarity[order][persons[order] == person].max() for person in counted}
    ranked = sorted(best.items(), key=lambda item: (-counted[item[0]], -item[1]))
    others = [item for item in nearest(similarity, persons) if item[0] != ranked[0][0]]
    return (ranked + others)[:2]


@settings(max_examples=12)
@given(persons=st.lists(st.integers(0, 4), min_size=1, max_size=30), k=st.integers(1, 40), seed=st.integers(0, 99))
def test_rules_agree_with_counting_by_hand(persons: list[int], k: int, seed: int) -> None:
    embeddings, queries = unit(len(persons), seed), unit(9, seed + 1000)
    images = [
        EnrolledImage(str(person), str(row), "0" * 64, embeddings[row], 0.0) for row, person in enumerate(persons)
    ]
    with tempfile.TemporaryDirectory() as folder:
        gallery = create_gallery(Path(folder) / "gallery", MODEL, MODEL, 6, images)
    similarity = queries @ gallery.embeddings.T
    expected = {
        "image": [nearest(row, gallery.person_of_row) for row in similarity],
        "mean": [nearest(row, gallery.person_of_mean) for row in queries @ gallery.means.T],
        "knn": [votes(row, gallery.person_of_row, k) for row in similarity],
    }
    for rule in RULES:
        matches = match(gallery, queries, rule, k)
        assert matches.person.tolist() == [[person for person, _ in pair] for pair in expected[rule]]
        scores = [[score for _, score in pair] for pair in expected[rule]]
        np.testing.assert_allclose(matches.similarity, scores, rtol=1e-5, atol=1e-6)


def test_a_person_with_very_many_images_has_a_runner_up(enrol: Enrol, make_gallery: Make) -> None:
    close = enrol("many").embedding
    images = [dataclasses.replace(enrol("many", number), embedding=close) for number in range(200)]
    gallery = make_gallery([*images, enrol("other")])
    for rule in RULES:
        matches = match(gallery, close[None], rule)
        assert [gallery.people[number] for number in matches.person[0]] == ["many", "other"]
        assert matches.similarity[0].tolist() == pytest.approx([1, close @ enrol("other").embedding], abs=1e-5)


def test_nobody_and_no_runner_up_are_minus_one(enrol: Enrol, make_gallery: Make) -> None:
    folder = make_gallery([enrol("Ann"), enrol("Ann", 1)]).folder
    queries = enrol("x").embedding[None]
    for rule in RULES:
        matches = match(Gallery.open(folder), queries, rule)
        assert matches.person[0].tolist() == [0, -1]
        assert matches.similarity[0, 1] == -np.inf
    with changing(folder) as change:
        change.remove("Ann")
    for rule in RULES:
        matches = match(Gallery.open(folder), queries, rule)
        assert matches.person[0].tolist() == [-1, -1]
        assert match(Gallery.open(folder), queries[:0], rule).person.shape == (0, 2)


@pytest.mark.parametrize(
    ("embeddings", "rule", "k", "message"),
    [
        (np.ones((1, 4)) / 2, "mean", 1, "embeddings of 8 values"),
        (np.ones(8) / 8**0.5, "mean", 1, "embeddings of 8 values"),
        (np.ones((1, 8)), "mean", 1, "not of unit length"),
        (np.full((1, 8), np.nan), "mean", 1, "not of unit length"),
        (np.eye(8)[:1], "median", 1, "choose among mean, image, knn"),
        (np.eye(8)[:1], "knn", 0, "k = 0"),
    ],
)
def test_a_question_without_an_answer_is_refused(
    embeddings: np.ndarray, rule: str, k: int, message: str, enrol: Enrol, make_gallery: Make
) -> None:
    with pytest.raises(GalleryError, match=message):
        match(make_gallery([enrol("Ann")]), embeddings, rule, k)  # type: ignore[arg-type]
