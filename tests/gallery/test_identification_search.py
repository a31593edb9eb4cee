"""Searching a gallery, or people enrolled for the occasion, for probes from photographs or from aligned faces."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.gallery.build import Enroller, build_gallery
from facejobs.gallery.calibration import calibrate
from facejobs.gallery.calibration_trials import trials_inside
from facejobs.gallery.changes import changing
from facejobs.gallery.enrolment import find_enrolment
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.face_source import AlignedFaces, Photographs
from facejobs.gallery.identification import enrolled_people, search_gallery
from facejobs.gallery.person_similarity import PersonSimilarity
from facejobs.gallery.probes import find_probes, read_probes
from facejobs.inference.face_pipeline import FacePipeline


@pytest.fixture
def source(pipeline: FacePipeline, enroller: Enroller) -> Photographs:
    return Photographs(pipeline, enroller.limits)


@pytest.fixture
def query(tmp_path: Path, draw_portrait: Callable[..., Any]) -> Path:
    """Two probes of Ann Lee and one of Bo, of whom one more shows no face; three strangers, two in one folder."""
    folder = tmp_path / "query"

    def draw(name: str, person: int, number: int, spots: int = 1) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_portrait(person, number, spots)[..., ::-1])

    draw("Ann Lee/1.png", 0, 7)
    draw("Ann Lee/2.png", 0, 8)
    draw("Bo/a.png", 1, 9)
    draw("Bo/b.png", 1, 9, spots=0)
    draw("Unknown/x.png", 20, 0)
    draw("Unknown/y.png", 21, 0)
    draw("somebody else/z.png", 22, 0)
    (folder / "Bo" / "notes.txt").write_text("not a photograph")
    (folder / ".thumbnails").mkdir()
    return folder


def test_a_gallery_and_its_photographs_give_the_same_searches(
    people: Path, query: Path, source: Photographs, enroller: Enroller, tmp_path: Path
) -> None:
    build_gallery(find_enrolment(people), tmp_path / "gallery", enroller)
    probes = read_probes(query, source)
    stored, occasional = (enrolled_people(place, source) for place in (tmp_path / "gallery", people))
    assert list(stored.people) == list(occasional.people) == ["Ann Lee", "Bo", "Çelik, İ."]
    assert stored.fingerprint == occasional.fingerprint and occasional.refused == 0
    one, other = (search_gallery(enrolled, probes, "mean") for enrolled in (stored, occasional))
    assert one.mates.tolist() == other.mates.tolist() == [0, 0, 1, 1, -1, -1, -1]
    assert one.ranks.tolist() == other.ranks.tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert one.rivals.tolist() == other.rivals.tolist()
    assert one.rival_similarity == pytest.approx(other.rival_similarity)
    assert probes.searched.tolist() == [True, True, True, False, True, True, True]


def test_strangers_of_the_unknown_folder_are_people_of_their_own(query: Path, source: Photographs) -> None:
    probes = read_probes(query, source)
    assert probes.names == (
        "Ann Lee/1.png", "Ann Lee/2.png", "Bo/a.png", "Bo/b.png", "Unknown/x.png", "Unknown/y.png",
        "somebody else/z.png",
    )  # fmt: skip
    subjects = probes.subjects.tolist()
    assert subjects[0] == subjects[1] and subjects[2] == subjects[3]
    assert len(set(subjects)) == 5


def test_the_fingerprint_is_of_names_and_contents(query: Path, source: Photographs, tmp_path: Path) -> None:
    first = read_probes(query, source).fingerprint
    copy = shutil.copytree(query, tmp_path / "elsewhere" / "copy")
    assert read_probes(copy, source).fingerprint == first
    (copy / "Bo" / "b.png").rename(copy / "Bo" / "c.png")
    assert read_probes(copy, source).fingerprint != first


def test_aligned_faces_equal_the_photographs_they_were_cut_from(
    people: Path, query: Path, source: Photographs, pipeline: FacePipeline, tmp_path: Path
) -> None:
    for root in (people, query):
        for _, path in find_probes(root):
            faces = next(iter(pipeline.describe_files([path])))[1].faces
            target = tmp_path / "aligned" / root.name / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if faces:
                cv2.imwrite(str(target), faces[0].aligned[..., ::-1])
    aligned = AlignedFaces(pipeline.recogniser, pipeline.recogniser_identity)
    probes, its = read_probes(query, source), read_probes(tmp_path / "aligned" / "query", aligned)
    assert its.names == tuple(name for name, searched in zip(probes.names, probes.searched, strict=True) if searched)
    assert np.array_equal(its.embeddings, probes.embeddings[probes.searched])
    enrolled = enrolled_people(tmp_path / "aligned" / "people", aligned)
    assert np.array_equal(enrolled.embeddings, enrolled_people(people, source).embeddings)


def test_a_probe_that_is_enrolled_itself_is_refused(people: Path, query: Path, source: Photographs) -> None:
    shutil.copy(people / "Bo" / "0.png", query / "Bo" / "again.png")
    with pytest.raises(
        DataError, match=r"Bo/again\.png of the query folder is one of the photographs that are enrolled"
    ):
        search_gallery(enrolled_people(people, source), read_probes(query, source), "mean")


def test_a_galleries_own_threshold_is_that_of_its_rule(
    people: Path, query: Path, source: Photographs, enroller: Enroller, tmp_path: Path
) -> None:
    folder = tmp_path / "gallery"
    gallery = build_gallery(find_enrolment(people), folder, enroller).gallery
    assert enrolled_people(folder, source).threshold("mean") is None
    trials = trials_inside(gallery, "mean")
    calibration, _ = calibrate(gallery, trials, 0.5, rule="mean", neighbours=5, source="inside the gallery")
    with changing(folder) as change:
        change.set_calibration(calibration.model_dump(mode="json"))
    enrolled = enrolled_people(folder, source)
    assert enrolled.threshold("mean") == calibration.threshold.threshold and enrolled.threshold("image") is None
    with changing(folder) as change:
        change.remove("Bo")
    assert enrolled_people(folder, source).threshold("mean") is None


def test_a_gallery_of_other_models_is_refused(
    people: Path, enroller: Enroller, pipeline: FacePipeline, publish_block_recogniser: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    build_gallery(find_enrolment(people), tmp_path / "gallery", enroller)
    publish_block_recogniser(tmp_path / "other", scale=1 / 64)
    other = FacePipeline(pipeline.detector, FacePipeline.open(tmp_path / "detector", tmp_path / "other").recogniser)
    with pytest.raises(GalleryError, match="made by the recogniser"):
        enrolled_people(tmp_path / "gallery", Photographs(other))
    with pytest.raises(GalleryError, match="made by the recogniser"):
        enrolled_people(tmp_path / "gallery", AlignedFaces(other.recogniser, other.recogniser_identity))
    assert len(enrolled_people(tmp_path / "gallery", AlignedFaces(pipeline.recogniser, pipeline.recogniser_identity)
                               ).people) == 3  # fmt: skip


def test_somebody_without_a_usable_photograph_can_be_missed_only(
    people: Path, query: Path, source: Photographs, draw_portrait: Callable[..., Any]
) -> None:
    for number, path in enumerate((people / "Bo").iterdir()):
        cv2.imwrite(str(path), draw_portrait(1, number, spots=0))
    enrolled = enrolled_people(people, source)
    assert (list(enrolled.people)[1], enrolled.refused, enrolled.person_of_row.tolist()) == ("Bo", 2, [0, 0, 2, 2])
    searches = search_gallery(enrolled, read_probes(query, source), "mean")
    assert searches.mates.tolist()[2:4] == [1, 1] and searches.ranks.tolist()[2:4] == [3, 0]
    assert 1 not in searches.rivals


def test_somebody_whose_photographs_are_not_known_to_be_theirs_is_no_stranger(
    people: Path, query: Path, source: Photographs
) -> None:
    for path in (people / "Bo").iterdir():
        shutil.copy(people / "Ann Lee" / path.name, path)
    (people / "Nobody yet").mkdir()
    enrolled = enrolled_people(people, source)
    assert list(enrolled.people) == ["Ann Lee", "Bo", "Nobody yet", "Çelik, İ."]
    assert set(enrolled.person_of_row.tolist()) == {3}
    assert search_gallery(enrolled, read_probes(query, source), "mean").mates.tolist()[:4] == [0, 0, 1, 1]


def test_where_nobody_can_be_enrolled_nothing_is_measured(people: Path, pipeline: FacePipeline) -> None:
    with pytest.raises(GalleryError, match="none of its 6 photographs can be enrolled"):
        enrolled_people(people, Photographs(pipeline))  # its faces are too small for the default limits


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.write_text(""), "is a file"),
        (lambda root: root.mkdir(), "no folder in it holds a photograph"),
        (lambda root: (root / "Ann").mkdir(parents=True), "no folder in it holds a photograph"),
    ],
)
def test_a_query_without_photographs_is_refused(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    make(tmp_path / "query")
    with pytest.raises(DataError, match=message):
        find_probes(tmp_path / "query")


def test_a_probe_that_cannot_be_read_is_named(query: Path, source: Photographs, pipeline: FacePipeline) -> None:
    (query / "Bo" / "b.png").write_bytes((query / "Bo" / "b.png").read_bytes()[:100])
    with pytest.raises(DataError, match=r"Bo/b\.png"):
        read_probes(query, source)
    with pytest.raises(DataError, match="64x64 pixels, where faces aligned to 112x112 are needed"):
        read_probes(query, AlignedFaces(pipeline.recogniser, pipeline.recogniser_identity))


@given(st.integers(1, 6), st.lists(st.integers(0, 5), min_size=1, max_size=25), st.integers(0, 2**16))
def test_similarity_to_people_equals_a_loop(people: int, persons: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    person_of_row = np.array([person % people for person in persons])
    rows, probes = (generator.standard_normal((count, 4)).astype(np.float32) for count in (len(persons), 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    mean, image = (PersonSimilarity(rows, person_of_row, people, rule)(probes) for rule in ("mean", "image"))
    for person in range(people):
        own = rows[person_of_row == person]
        for number, probe in enumerate(probes):
            if not len(own):
                assert mean[number, person] == image[number, person] == -np.inf
                continue
            direction = own.astype(np.float64).mean(axis=0)
            assert image[number, person] == pytest.approx(max(row @ probe for row in own), abs=1e-6)
            if np.linalg.norm(direction) > 0.01:
                cosine = direction @ probe / np.linalg.norm(direction)
                assert mean[number, person] == pytest.approx(cosine, abs=1e-4)
