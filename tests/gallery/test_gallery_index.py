"""Exact search, search by cells, and what is known of how well that finds."""

from collections.abc import Callable

import faiss
import numpy as np
import pytest

from facejobs.gallery import completion
from facejobs.gallery.cells import arrange_in_cells
from facejobs.gallery.changes import changing
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.index import CellIndex, ExactIndex
from facejobs.gallery.matching import RULES, match
from facejobs.gallery.recall import turned
from facejobs.gallery.rows import EnrolledImage, cell_dtype
from facejobs.gallery.store import Gallery

Enrol = Callable[..., EnrolledImage]
Make = Callable[..., Gallery]


def unit(count: int, size: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 vectors and more are sorted into cells."""
    monkeypatch.setattr(completion, "APPROXIMATE_FROM", 40)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_exact_search_is_brute_force(k: int) -> None:
    vectors, queries = unit(20), unit(7, seed=1)
    similarity, rows = ExactIndex(vectors).search(queries, k)
    expected = np.argsort(-(queries @ vectors.T), axis=1)[:, :k]
    np.testing.assert_array_equal(rows[:, :20], expected)
    np.testing.assert_allclose(similarity[:, :20], np.take_along_axis(queries @ vectors.T, expected, 1), atol=1e-6)
    assert (rows[:, 20:] == -1).all()
    assert (similarity[:, 20:] == -np.inf).all()


def test_no_vectors_and_no_queries_find_nothing() -> None:
    assert ExactIndex(unit(0)).search(unit(2), 1)[1].tolist() == [[-1], [-1]]
    assert ExactIndex(unit(2)).search(unit(0), 1)[1].shape == (0, 1)


@pytest.mark.parametrize("probes", [1, 3])
def test_search_by_cells_is_that_of_faiss(probes: int) -> None:
    vectors, queries = unit(400), unit(30, seed=1)
    cells, order = arrange_in_cells(vectors)
    sorted_vectors = vectors[order]
    quantizer = faiss.IndexFlatIP(8)
    quantizer.add(np.ascontiguousarray(cells["centroid"]))
    bare = faiss.IndexIVFFlat(quantizer, 8, len(cells), faiss.METRIC_INNER_PRODUCT)
    cell_of_row = np.repeat(np.arange(len(cells)), cells["count"])
    bare.add_core(400, faiss.swig_ptr(sorted_vectors), None, faiss.swig_ptr(cell_of_row))
    bare.nprobe = probes
    similarity, rows = CellIndex(sorted_vectors, cells, probes).search(queries, 60)
    expected_similarity, expected_rows = bare.search(queries, 60)
    np.testing.assert_array_equal(rows, expected_rows)
    found = rows >= 0
    assert found.any(1).all()
    assert not found.all()
    np.testing.assert_array_equal(similarity[found], expected_similarity[found])
    assert (similarity[~found] == -np.inf).all()


def test_all_cells_together_are_everything() -> None:
    vectors, queries = unit(300), unit(20, seed=1)
    cells, order = arrange_in_cells(vectors)
    rows = CellIndex(vectors[order], cells, len(cells)).search(queries, 5)[1]
    np.testing.assert_array_equal(order[rows], ExactIndex(vectors).search(queries, 5)[1])


def test_cells_hold_each_vector_once_around_their_centroid() -> None:
    vectors = unit(500)
    cells, order = arrange_in_cells(vectors)
    assert sorted(order) == list(range(500))
    assert cells["count"].min() > 0
    end = np.cumsum(cells["count"])
    for cell, members in zip(cells, np.split(vectors[order], end[:-1]), strict=True):
        mean = members.mean(0)
        np.testing.assert_allclose(cell["centroid"], mean / np.linalg.norm(mean), atol=1e-5)


def test_known_cells_are_kept_and_new_vectors_join_the_nearest() -> None:
    vectors = unit(500)
    cells, order = arrange_in_cells(vectors)
    known = np.repeat(np.arange(len(cells)), cells["count"])
    grown = np.concatenate([unit(5, seed=2), vectors[order]])
    again, new_order = arrange_in_cells(grown, np.concatenate([np.full(5, -1), known]))
    cell_of_row = np.repeat(np.arange(len(again)), again["count"])
    assert len(again) == len(cells)
    np.testing.assert_array_equal(cell_of_row[np.argsort(new_order)][5:], known)
    nearest = (grown[:5] @ cells["centroid"].T).argmax(1)
    np.testing.assert_array_equal(cell_of_row[np.argsort(new_order)][:5], nearest)


def test_a_removed_vector_leaves_no_trace_in_a_centroid() -> None:
    vectors = unit(500)
    cells, order = arrange_in_cells(vectors)
    kept = np.arange(500) != 0
    known = np.repeat(np.arange(len(cells)), cells["count"])
    again, new_order = arrange_in_cells(vectors[order][kept], known[kept])
    start = vectors[order][kept][new_order][: again["count"][0]].mean(0)
    np.testing.assert_allclose(again["centroid"][0], start / np.linalg.norm(start), atol=1e-5)


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("images_each", [1, 2])
def test_a_large_gallery_says_how_well_it_finds(images_each: int, enrol: Enrol, make_gallery: Make) -> None:
    images = [enrol(f"{person:03}", number) for person in range(90) for number in range(images_each)]
    gallery = make_gallery(images)
    search = gallery.description.image_search
    assert search is not None
    assert (gallery.description.mean_search is not None) == (images_each == 2)
    by_name = {image.photograph: image for image in images}
    for image in gallery.images():
        np.testing.assert_array_equal(image.embedding, by_name[image.photograph].embedding)
        assert (image.person, image.sha256) == (by_name[image.photograph].person, by_name[image.photograph].sha256)
    queries = turned(gallery.embeddings, 1000, 0.6)
    exact = ExactIndex(gallery.embeddings).search(queries, 1)[1]
    measured = (gallery.image_index.search(queries, 1)[1] == exact).mean()
    assert search.recall_at_1 == pytest.approx(measured)
    assert search.queries == len(queries) == len(images)
    assert measured >= 0.99
    for mean, person in zip(gallery.means, gallery.person_of_mean, strict=True):
        total = gallery.embeddings[gallery.person_of_row == person].sum(0)
        np.testing.assert_allclose(mean, total / np.linalg.norm(total), atol=1e-5)
    asked = np.array(gallery.embeddings[:40])
    nearest_mean = gallery.person_of_mean[(asked @ gallery.means.T).argmax(1)]
    for rule in RULES:
        expected = nearest_mean if rule == "mean" else gallery.person_of_row[:40]
        assert (match(gallery, asked, rule, k=1).person[:, 0] == expected).mean() > 0.9


@pytest.mark.usefixtures("few_are_many")
def test_a_gallery_grows_into_cells_and_out_of_them(enrol: Enrol, make_gallery: Make) -> None:
    folder = make_gallery([enrol(f"{person:03}") for person in range(30)]).folder
    assert Gallery.open(folder).description.image_search is None
    with changing(folder) as change:
        change.add([enrol(f"{person:03}") for person in range(30, 80)])
    opened = Gallery.open(folder)
    assert opened.description.image_search is not None
    with changing(folder) as change:
        change.remove("003")
        change.add([enrol("new")])
    # Opened before: its files are gone from the folder, not from its hands.
    assert match(opened, enrol("003").embedding[None], "image").person[0, 0] == opened.number_of("003")
    changed = Gallery.open(folder)
    changed.verify()
    assert match(changed, enrol("new").embedding[None]).person[0, 0] == changed.number_of("new")
    assert not any(enrol("003").embedding.tobytes() in path.read_bytes() for path in folder.iterdir())
    with changing(folder) as change:
        for number in range(10, 60):
            change.remove(f"{number:03}")
    assert Gallery.open(folder).description.image_search is None
    assert len(list(folder.glob("image_cells-*"))) == 0


@pytest.mark.usefixtures("few_are_many")
def test_cells_that_hold_something_else_are_refused(
    enrol: Enrol, make_gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = completion.arrange_in_cells

    def miscounted(*arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells, order = write(*arguments)
        return np.concatenate([cells, np.ones(1, cell_dtype(8))]), order

    monkeypatch.setattr(completion, "arrange_in_cells", miscounted)
    monkeypatch.setattr(completion, "choose_probes", lambda *_: completion.CellSearch(**SEARCH))
    gallery = make_gallery([enrol(f"{person}") for person in range(50)])
    with pytest.raises(GalleryError, match="does not hold 50 vectors"):
        match(gallery, unit(1))


SEARCH = {"cells": 14, "probes": 1, "recall_at_1": 1, "queries": 1, "query_similarity": 1}


def test_turned_vectors_have_the_similarity_asked_for() -> None:
    vectors = unit(50, 32)
    queries = turned(vectors, 50, 0.6)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose((queries * vectors).sum(1), 0.6, atol=1e-5)
