"""Who is named: by the threshold that is given, the calibrated or a provisional one, each said to be what it is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from facejobs.data.errors import RequestError
from facejobs.errors import ExitCode
from facejobs.evaluation.accept_threshold import UnsupportedRateError
from facejobs.gallery.calibration import Calibration, calibrate, calibration_of
from facejobs.gallery.calibration_trials import trials_inside
from facejobs.gallery.changes import changing
from facejobs.gallery.decision import Decision, recognise_faces
from facejobs.gallery.decision_source import decision_for
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery

PEOPLE = 16


@pytest.fixture
def gallery(make_gallery: Callable[..., Gallery]) -> Gallery:
    """16 people of 3 images, well apart."""
    generator = np.random.default_rng(0)
    images = []
    for person in range(PEOPLE):
        centre = generator.normal(size=64)
        for number in range(3):
            face = centre + 0.6 * generator.normal(size=64)
            digest = f"{person:02d}{number:02d}" + "0" * 60
            embedding = (face / np.linalg.norm(face)).astype(np.float32)
            images.append(EnrolledImage(f"person {person:02d}", f"{number}.jpg", digest, embedding, 1.0))
    return make_gallery(images)


def calibrated(gallery: Gallery, **changes: object) -> Gallery:
    trials = replace(trials_inside(gallery, "mean"), known_as_strangers=False)
    calibration, _ = calibrate(gallery, trials, 0.1, rule="mean", neighbours=5, source="photographs", data="0" * 64)
    with changing(gallery.folder) as change:
        change.set_calibration({**calibration.model_dump(mode="json"), **changes})
    return Gallery.open(gallery.folder)


def test_a_calibration_is_kept_as_it_was_made(gallery: Gallery) -> None:
    calibration, reliability = calibrate(
        gallery, trials_inside(gallery, "mean"), 0.1, rule="mean", neighbours=5, source="inside the gallery"
    )
    assert reliability is not None and calibration.probability is not None
    with changing(gallery.folder) as change:
        change.set_calibration(calibration.model_dump(mode="json"))
    kept = calibration_of(Gallery.open(gallery.folder))
    assert kept == calibration and kept.holds_for(gallery)
    assert kept.threshold.stranger_faces == 48 and kept.threshold.strangers == PEOPLE


def test_a_calibration_that_the_data_do_not_support_leaves_the_gallery_as_it_was(gallery: Gallery) -> None:
    with pytest.raises(UnsupportedRateError):
        calibrate(gallery, trials_inside(gallery, "mean"), 0.01, rule="mean", neighbours=5, source="photographs")
    assert Gallery.open(gallery.folder).calibration is None


def test_the_calibrated_threshold_decides(gallery: Gallery) -> None:
    gallery = calibrated(gallery)
    sourced = decision_for(gallery)
    calibration = calibration_of(gallery)
    assert calibration is not None
    assert (sourced.source, sourced.warnings) == ("calibration", ())
    assert sourced.decision == calibration.decision and sourced.decision.scaling is not None
    assert "0.1" in sourced.meaning


def test_a_threshold_that_is_given_goes_before_it(gallery: Gallery) -> None:
    sourced = decision_for(calibrated(gallery), threshold=0.9)
    assert (sourced.source, sourced.decision.threshold) == ("--threshold", 0.9)
    assert sourced.decision.scaling is not None
    other = decision_for(calibrated(gallery), threshold=0.9, rule="image")
    assert other.decision == Decision(0.9, "image", 5, scaling=None)


def test_a_threshold_says_nothing_of_another_rule(gallery: Gallery) -> None:
    gallery = calibrated(gallery)
    with pytest.raises(GalleryError, match=r"calibrated for the rule mean.*nothing of the rule image.*--threshold"):
        decision_for(gallery, rule="image")
    with pytest.raises(RequestError, match="--neighbours is 7, but the rule is mean"):
        decision_for(gallery, neighbours=7)
    voted = calibrated(gallery, rule="knn", neighbours=3)
    assert decision_for(voted).decision.neighbours == 3
    with pytest.raises(GalleryError, match=r"calibrated for knn of 3.*nothing of knn of 5"):
        decision_for(voted, neighbours=5)


def test_without_calibration_the_threshold_is_provisional_and_without_probability(gallery: Gallery) -> None:
    sourced = decision_for(gallery)
    assert sourced.source == "provisional" and sourced.decision.scaling is None
    (warning,) = sourced.warnings
    assert "not calibrated" in warning and "of 48 enrolled images" in warning and "gallery calibrate" in warning
    people = recognise_faces(gallery, gallery.embeddings, sourced.decision)
    assert all(person.probability is None for person in people)


def test_a_gallery_too_small_for_a_provisional_threshold_names_nobody(
    make_gallery: Callable[..., Gallery], enrol: Callable[..., EnrolledImage]
) -> None:
    gallery = make_gallery([enrol(person, number) for person in ("Ann", "Bo") for number in range(3)])
    with pytest.raises(GalleryError, match=r"nothing says yet how similar.*--threshold") as caught:
        decision_for(gallery)
    assert caught.value.exit_code == ExitCode.GALLERY
    assert decision_for(gallery, threshold=0.5).decision.threshold == 0.5


def test_what_has_changed_since_is_said(gallery: Gallery, enrol: Callable[..., EnrolledImage]) -> None:
    gallery = calibrated(gallery)
    with changing(gallery.folder) as change:
        change.add([enrol(f"another {number}", size=64) for number in range(16)])
    (warning,) = decision_for(Gallery.open(gallery.folder)).warnings
    assert "people then 16, now 32" in warning and "2 times as often" in warning
    assert decision_for(Gallery.open(gallery.folder), threshold=0.5).warnings == (warning,)
    assert decision_for(Gallery.open(gallery.folder), threshold=0.5, rule="image").warnings == ()
    inside = calibrated(gallery, source="inside the gallery")
    assert "its own images only" in decision_for(inside).warnings[-1]


def test_a_calibration_without_strangers_is_said_to_be_one(gallery: Gallery) -> None:
    found = calibration_of(calibrated(gallery))
    assert found is not None
    pooled = calibrated(gallery, threshold={**found.threshold.model_dump(mode="json"), "known_as_strangers": True})
    (warning,) = decision_for(pooled).warnings
    assert "calibrated without strangers" in warning


def test_a_calibration_of_another_format_is_refused(gallery: Gallery) -> None:
    for changes in ({"rule": "nearest"}, {"threshold": {"threshold": 0.3}}, {"something": "else"}):
        with pytest.raises(GalleryError, match="calibrate it again"):
            decision_for(calibrated(gallery, **changes))


def test_faces_are_named_or_unknown(gallery: Gallery) -> None:
    face, stranger = gallery.means[3], -gallery.means.sum(axis=0)
    faces = np.stack([face, stranger / np.linalg.norm(stranger)])
    decision = decision_for(calibrated(gallery)).decision
    known, unknown = recognise_faces(gallery, faces, decision)
    assert (known.name, known.best, known.recognised) == ("person 03", "person 03", True)
    assert known.similarity == pytest.approx(1) and known.probability is not None and known.probability > 0.9
    assert known.runner_up not in (None, "person 03") and known.margin is not None and known.margin > 0.5
    assert (unknown.name, unknown.recognised) == ("unknown", False)
    assert unknown.best is not None and unknown.probability is not None and unknown.probability < 0.1
    assert recognise_faces(gallery, faces[:0], decision) == []


def test_a_similarity_at_the_threshold_is_enough(gallery: Gallery) -> None:
    face = gallery.embeddings[:1]
    (found,) = recognise_faces(gallery, face, Decision(-1.0, "mean", 5))
    assert found.similarity is not None
    (same,) = recognise_faces(gallery, face, Decision(found.similarity, "mean", 5))
    (above,) = recognise_faces(gallery, face, Decision(float(np.nextafter(found.similarity, 2)), "mean", 5))
    assert (same.recognised, above.recognised) == (True, False)


def test_nobody_is_recognised_where_nobody_is_left(gallery: Gallery) -> None:
    face = gallery.embeddings[:1].copy()
    with changing(gallery.folder) as change:
        for person in list(gallery.people):
            change.remove(person)
    (found,) = recognise_faces(Gallery.open(gallery.folder), face, Decision(-1.0, "mean", 5))
    assert (found.name, found.best, found.similarity, found.margin) == ("unknown", None, None, None)
    with pytest.raises(GalleryError, match="nothing says yet"):
        decision_for(Gallery.open(gallery.folder))


def test_one_person_has_no_runner_up(make_gallery: Callable[..., Gallery], enrol: Callable[..., EnrolledImage]) -> None:
    image = enrol("Ann")
    (found,) = recognise_faces(make_gallery([image]), image.embedding[None], Decision(0.5, "mean", 5))
    assert (found.name, found.runner_up, found.margin) == ("Ann", None, None)


def test_the_format_has_no_room_for_what_is_no_number() -> None:
    with pytest.raises(ValueError):
        Calibration.model_validate({"threshold": {"threshold": float("nan")}})
