"""Mix-ups: what is planted is found, and a clean gallery is left in peace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.gallery.mix_ups import NEAR_IDENTICAL, find_mix_ups


def gallery(people: int = 30, images: int = 4, likeness: float = 0.6, size: int = 128, seed: int = 0):
    """Unit vectors (N, D) with a cosine of about `likeness` between images of a person, and whose each is (N,)."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.standard_normal((people, size)), images, axis=0)
    mixed = likeness**0.5 * centres + (1 - likeness) ** 0.5 * rng.standard_normal(centres.shape)
    embeddings = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return embeddings.astype(np.float32), np.repeat(np.arange(people), images)


def test_a_clean_gallery_has_none() -> None:
    found = find_mix_ups(*gallery())
    assert (found.strays, found.alike, found.same) == ((), (), ())


def test_an_image_in_the_wrong_folder_is_found_and_its_person_named() -> None:
    embeddings, people = gallery()
    people = people.copy()
    people[9] = 17  # an image of person 2
    (stray,) = find_mix_ups(embeddings, people).strays
    assert (stray.row, stray.other_person) == (9, 2)
    others = embeddings[(people == 17) & (np.arange(len(people)) != 9)].sum(axis=0)
    assert stray.own == pytest.approx(float(embeddings[9] @ others / np.linalg.norm(others)), abs=1e-5)
    assert stray.other > 0.6 > 0.3 > stray.own


def test_a_strangers_image_is_found_though_it_is_like_nobody() -> None:
    embeddings, people = gallery()
    stranger, _ = gallery(people=1, images=1, seed=9)
    rows = np.concatenate([embeddings, stranger])
    found = {stray.row for stray in find_mix_ups(rows, np.append(people, 4)).strays}
    assert len(embeddings) in found and len(found) <= 2


@pytest.mark.parametrize("images", [2, 4])
def test_one_person_under_two_names_is_found(images: int) -> None:
    embeddings, people = gallery(images=2 * images)
    people = people.copy()
    people[np.flatnonzero(people == 5)[:images]] = 30
    (pair,) = find_mix_ups(embeddings, people).alike
    assert (pair.first, pair.second) == (5, 30)
    mean = embeddings[people == 5] @ embeddings[people == 30].T
    assert pair.similarity == pytest.approx(float(mean.mean()), abs=1e-5)


def test_one_person_under_two_names_is_found_where_each_has_one_image() -> None:
    embeddings, _ = gallery(images=1)
    twin, _ = gallery(images=2, seed=5)
    rows = np.concatenate([embeddings, twin[:2]])
    (pair,) = find_mix_ups(rows, np.arange(len(rows))).alike
    assert (pair.first, pair.second) == (30, 31)


def test_nearly_the_same_image_is_found_within_a_person_and_between_two() -> None:
    embeddings, people = gallery()
    copies = embeddings[[0, 7]] + 0.01 * np.random.default_rng(1).standard_normal((2, 128))
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    rows = np.concatenate([embeddings, copies.astype(np.float32)])
    found = find_mix_ups(rows, np.append(people, [0, 20])).same
    assert {(pair.first, pair.second) for pair in found} == {(0, 120), (7, 121)}
    assert all(pair.similarity >= NEAR_IDENTICAL for pair in found)


@pytest.mark.parametrize(("people", "images"), [(1, 1), (1, 5), (2, 1), (2, 3), (5, 1)])
def test_small_galleries_have_no_false_alarms(people: int, images: int) -> None:
    found = find_mix_ups(*gallery(people, images))
    assert (found.strays, found.alike, found.same) == ((), (), ())


def test_nobody_is_enrolled() -> None:
    found = find_mix_ups(np.empty((0, 8), np.float32), np.empty(0, np.int64))
    assert (found.strays, found.alike, found.same) == ((), (), ())


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), people=st.integers(1, 8), rows=st.integers(1, 20))
def test_findings_name_rows_and_people_that_exist(seed: int, people: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((rows, 3)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    names = rng.integers(0, people, rows)
    found = find_mix_ups(embeddings, names)
    for stray in found.strays:
        assert stray.other_person in names and stray.other_person != names[stray.row]
    for pair in found.alike:
        assert pair.first < pair.second and {pair.first, pair.second} <= set(names.tolist())
    for same in found.same:
        assert 0 <= same.first < same.second < rows
