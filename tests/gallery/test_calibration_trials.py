"""The trials of a calibration equal those of plain loops over everybody."""

from collections.abc import Callable

import numpy as np
import pytest

from facejobs.evaluation.accept_threshold import IdentificationTrials, UnsupportedRateError, choose_threshold
from facejobs.gallery import calibration_trials
from facejobs.gallery.calibration_trials import accepted_strangers, enrolled_probes, trials_inside, trials_of_probes
from facejobs.gallery.matching import Rule
from facejobs.gallery.probes import Probes
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery

MakeGallery = Callable[..., Gallery]
COUNTS = {"Ann": 3, "Bo": 1, "Cy": 2, "Di": 4}


@pytest.fixture
def images(enrol: Callable[..., EnrolledImage]) -> list[EnrolledImage]:
    return [enrol(person, number) for person, count in COUNTS.items() for number in range(count)]


@pytest.fixture
def gallery(make_gallery: MakeGallery, images: list[EnrolledImage]) -> Gallery:
    return make_gallery(images)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def similarity(face: np.ndarray, others: list[np.ndarray], rule: Rule) -> float:
    if rule == "mean":
        return float(face @ unit(np.sum(others, axis=0)))
    return max(float(face @ other) for other in others)


def by_loops(images: list[EnrolledImage], rule: Rule) -> tuple[list[float], list[bool], list[float]]:
    known, right, strangers = [], [], []
    for image in images:
        own = [other.embedding for other in images if other.person == image.person and other is not image]
        best_other = max(
            similarity(image.embedding, [other.embedding for other in images if other.person == person], rule)
            for person in COUNTS
            if person != image.person
        )
        strangers.append(best_other)
        if own:
            mine = similarity(image.embedding, own, rule)
            known.append(max(mine, best_other))
            right.append(mine > best_other)
    return known, right, strangers


def assert_equal(trials: IdentificationTrials, known: list[float], right: list[bool], strangers: list[float]) -> None:
    np.testing.assert_allclose(np.sort(trials.known), np.sort(known), atol=1e-6)
    np.testing.assert_allclose(np.sort(trials.strangers), np.sort(strangers), atol=1e-6)
    assert sorted(zip(trials.known.round(5), trials.known_right, strict=True)) == sorted(
        zip(np.round(known, 5), right, strict=True)
    )


@pytest.mark.parametrize("rule", ["mean", "image"])
@pytest.mark.parametrize("blocks", [(512, 1 << 15), (2, 3)])
def test_inside_a_gallery(
    gallery: Gallery, images: list[EnrolledImage], rule: Rule, blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration_trials, "_FACES_AT_ONCE", blocks[0])
    monkeypatch.setattr(calibration_trials, "_ROWS_AT_ONCE", blocks[1])
    trials = trials_inside(gallery, rule)
    assert_equal(trials, *by_loops(images, rule))
    assert (len(trials.known), len(trials.strangers)) == (9, 10)
    assert set(trials.known_people) < set(trials.stranger_people) and trials.known_as_strangers


def test_of_a_large_gallery_some_images_are_tried(gallery: Gallery) -> None:
    trials = trials_inside(gallery, "mean", most=4)
    everything = trials_inside(gallery, "mean")
    assert len(trials.strangers) == 4
    assert set(trials.strangers.round(5)) <= set(everything.strangers.round(5))


def test_a_gallery_of_one_person_knows_no_stranger(
    make_gallery: MakeGallery, enrol: Callable[..., EnrolledImage]
) -> None:
    gallery = make_gallery([enrol("Ann", number) for number in range(3)])
    for rule in ("mean", "image"):
        trials = trials_inside(gallery, rule)
        assert (len(trials.known), len(trials.strangers)) == (3, 0) and trials.known_right.all()


def trials_of(gallery: Gallery, probes: Probes, rule: Rule, neighbours: int) -> IdentificationTrials:
    return trials_of_probes(gallery, probes, enrolled_probes(gallery, probes), rule, neighbours)


def probes_like(faces: list[tuple[str, np.ndarray | None]]) -> Probes:
    size = next(len(face) for _, face in faces if face is not None)
    persons = tuple(person for person, _ in faces)
    return Probes(
        names=tuple(f"{person}/{number}.jpg" for number, person in enumerate(persons)),
        persons=persons,
        subjects=np.unique(persons, return_inverse=True)[1],
        searched=np.array([face is not None for _, face in faces]),
        embeddings=np.stack([np.zeros(size, np.float32) if face is None else face for _, face in faces]),
        digests=tuple(f"{number:064x}" for number in range(len(faces))),
    )


@pytest.mark.parametrize("rule", ["mean", "image", "knn"])
def test_known_people_are_tried_as_themselves_and_strangers_alone_as_strangers(
    gallery: Gallery, images: list[EnrolledImage], rule: Rule
) -> None:
    nearly_bo = unit(next(image.embedding for image in images if image.person == "Bo") + np.float32(0.02))
    stranger = unit(np.arange(1, 9, dtype=np.float32))
    probes = probes_like([("Bo", nearly_bo), ("Eve", stranger), ("Eve", None), ("unknown", nearly_bo)])
    trials = trials_of(gallery, probes, rule, neighbours=1)

    def to(person: str, face: np.ndarray) -> float:
        theirs = [image.embedding for image in images if image.person == person]
        return similarity(face, theirs, "mean" if rule == "mean" else "image")

    np.testing.assert_allclose(trials.known, [to("Bo", nearly_bo)], atol=1e-6)
    assert trials.known_right.tolist() == [True]
    expected = [max(to(person, stranger) for person in COUNTS), to("Bo", nearly_bo)]
    np.testing.assert_allclose(trials.strangers, expected, atol=1e-6)
    assert len({*trials.known_people, *trials.stranger_people}) == 3 and not trials.known_as_strangers

    pooled = trials_of(gallery, probes_like([("Bo", nearly_bo)]), rule, neighbours=1)
    np.testing.assert_allclose(pooled.known, [to("Bo", nearly_bo)], atol=1e-6)
    np.testing.assert_allclose(
        pooled.strangers, [max(to(person, nearly_bo) for person in COUNTS if person != "Bo")], atol=1e-6
    )
    assert pooled.known_people.tolist() == pooled.stranger_people.tolist() and pooled.known_as_strangers


def test_enrolled_photographs_prove_nothing_of_their_people(gallery: Gallery, images: list[EnrolledImage]) -> None:
    probes = probes_like([("Ann", images[0].embedding), ("Ann", None), ("Ann", unit(images[0].embedding + 0.1))])
    assert enrolled_probes(gallery, probes).tolist() == [True, False, False]
    trials = trials_of(gallery, probes, "mean", 5)
    assert (len(trials.known), len(trials.strangers)) == (1, 2)


def test_a_stranger_who_is_enrolled_is_left_out(gallery: Gallery, images: list[EnrolledImage]) -> None:
    enrolled, like_it, less_like_it = (unit(images[0].embedding + more) for more in (0.0, 0.1, 0.2))
    trials = trials_of(gallery, probes_like([("Eve", enrolled), ("Eve", like_it), ("Bo", less_like_it)]), "mean", 5)
    assert (len(trials.known), len(trials.strangers), trials.known_as_strangers) == (1, 1, False)


def test_strangers_without_a_face_are_not_replaced_by_known_people(
    gallery: Gallery, images: list[EnrolledImage]
) -> None:
    trials = trials_of(gallery, probes_like([("Ann", images[0].embedding), ("Eve", None)]), "mean", 5)
    assert len(trials.strangers) == 0 and not trials.known_as_strangers


def test_known_people_do_not_dilute_the_rate_of_strangers(make_gallery: MakeGallery) -> None:
    """Five people who are like nobody else, and strangers of whom some are like one of them."""
    people = [f"person {number}" for number in range(5)]
    axes = np.eye(16, dtype=np.float32)
    enrolled = [
        EnrolledImage(person, "1.jpg", f"{number:064x}", axes[number], 1.0) for number, person in enumerate(people)
    ]
    known = [
        (person, unit(axes[number] + np.float32(0.1) * axes[6 + face]))
        for number, person in enumerate(people)
        for face in range(10)
    ]
    likeness = np.linspace(0.1, 0.9, 60, dtype=np.float32)
    strangers = [("unknown", like * axes[0] + np.sqrt(1 - like**2) * axes[15]) for like in likeness]
    gallery = make_gallery(enrolled)
    trials = trials_of(gallery, probes_like([*known, *strangers]), "mean", 5)
    found = choose_threshold(trials, 0.1, resamples=20)
    assert found.stranger_faces == 60 and found.far == np.mean(likeness >= found.threshold) == 0.1
    assert found.tar == 1
    with pytest.raises(UnsupportedRateError, match=r"there are 60; ask for 0\.05 or more"):
        choose_threshold(trials, 0.03)


def test_known_people_who_are_taken_for_others_are_no_right_matches(
    gallery: Gallery, images: list[EnrolledImage]
) -> None:
    nearly = unit(images[-1].embedding + np.float32(0.02))
    trials = trials_of(gallery, probes_like([("Ann", nearly)]), "image", 5)
    assert trials.known_right.tolist() == [False]
    np.testing.assert_allclose([*trials.known, *trials.strangers], float(nearly @ images[-1].embedding), atol=1e-6)


def test_strangers_who_are_named_are_listed(gallery: Gallery, images: list[EnrolledImage]) -> None:
    probes = probes_like(
        [("Ann", images[0].embedding), ("unknown", images[3].embedding), ("Eve", -images[3].embedding), ("Eve", None)]
    )
    (accepted,) = accepted_strangers(gallery, probes, "image", 5, 0.999)
    assert accepted[:2] == ("unknown/1.jpg", "Bo") and accepted[2] == pytest.approx(1)
