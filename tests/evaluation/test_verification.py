"""Verification equals hand-computed cases and a slow, literal implementation of the protocol."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from facejobs.data.encoded_images import EncodedImages
from facejobs.data.pairs import VerificationPairs, contiguous_folds, load_pairs
from facejobs.errors import ExitCode
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.verification import evaluate_verification, score_verification, tar_name


class StoredImages(EncodedImages):
    """Images that are there already."""

    def __init__(self, images: np.ndarray) -> None:
        super().__init__([b""] * len(images), [f"face {index}" for index in range(len(images))])
        self._images = images

    def __getitem__(self, index: int) -> np.ndarray:
        return self._images[index]


def make_pairs(same: list[bool], folds: list[int] | None = None, images: np.ndarray | None = None, people=None):
    count = len(same)
    images = np.zeros((2 * count, 4, 4, 3), np.uint8) if images is None else images
    return VerificationPairs(
        name="set",
        format="lfw-pairs",
        fingerprint="0123456789abcdef",
        images=StoredImages(images),
        left=np.arange(0, 2 * count, 2),
        right=np.arange(1, 2 * count, 2),
        same=np.array(same),
        folds=np.array(folds) if folds is not None else contiguous_folds(count, 10),
        people=people,
    )


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) - 100


def random_faces(seed: int, count: int) -> tuple[np.ndarray, list[bool], list[int]]:
    """Noisy copies of people: pair k is of one person or of two; ten folds."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.5
    left = rng.integers(60, 160, (count, 4, 4, 3))
    other = rng.integers(60, 160, (count, 4, 4, 3))
    right = np.where(same[:, None, None, None], left, other) + rng.integers(-60, 60, left.shape)
    images = np.stack([left, np.clip(right, 0, 255)], axis=1).reshape(2 * count, 4, 4, 3).astype(np.uint8)
    return images, same.tolist(), sorted(rng.integers(0, 10, count).tolist())


def literal_protocol(images, embed_one, same, folds) -> tuple[list[float], list[float]]:
    """Squared distances and fold accuracies, with plain loops over every threshold between training distances."""
    distances = []
    for k in range(len(same)):
        units = []
        for image in (images[2 * k], images[2 * k + 1]):
            total = [a + b for a, b in zip(embed_one(image), embed_one(image[:, ::-1]), strict=True)]
            length = math.sqrt(sum(value * value for value in total))
            units.append([value / length for value in total])
        distances.append(sum((a - b) ** 2 for a, b in zip(*units, strict=True)))
    accuracies = []
    for fold in sorted(set(folds)):
        training = [(d, s) for d, s, f in zip(distances, same, folds, strict=True) if f != fold]
        test = [(d, s) for d, s, f in zip(distances, same, folds, strict=True) if f == fold]
        ordered = sorted({d for d, _ in training})
        limits = [-1.0, *((a + b) / 2 for a, b in itertools.pairwise(ordered)), ordered[-1]]
        best, chosen = -1, 0.0
        for limit in limits:  # ascending distance: the first best one accepts the fewest
            right = sum((d <= limit) == s for d, s in training)
            if right > best:
                best, chosen = right, limit
        accuracies.append(sum((d <= chosen) == s for d, s in test) / len(test))
    return distances, accuracies


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch_size", [7, 64])
def test_it_equals_the_literal_protocol(seed: int, batch_size: int) -> None:
    images, same, folds = random_faces(seed, 80)
    weights = np.random.default_rng(9).normal(size=(48, 12))

    def embed(batch: np.ndarray) -> np.ndarray:
        return (flat(batch) @ weights).astype(np.float32)

    result = evaluate_verification(make_pairs(same, folds, images), embed, batch_size, resamples=2)
    distances, accuracies = literal_protocol(images, lambda image: embed(image[None])[0].tolist(), same, folds)
    assert result.squared_distances == pytest.approx(np.array(distances), abs=1e-6)
    assert result.accuracy is not None
    assert list(result.accuracy.folds) == pytest.approx(accuracies)
    assert result.accuracy.mean == pytest.approx(np.mean(accuracies))
    assert result.accuracy.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert 0.5 < result.accuracy.mean < 1  # the case is neither trivial nor chance


def test_two_folds_by_hand() -> None:
    scores = np.array([0.9, 0.6, 0.7, 0.2, 0.85, 0.3, 0.5, 0.1])
    same = [True, True, False, False, True, True, False, False]
    result = score_verification(make_pairs(same, [0, 0, 0, 0, 1, 1, 1, 1]), scores)
    assert result.accuracy is not None
    # On fold 1, three of four are right between 0.85 and 0.5 and between 0.3 and 0.1; the higher decides fold 0,
    # where 0.6 and 0.7 are then decided wrongly. On fold 0 likewise 0.8, which refuses the 0.3 of fold 1.
    assert result.accuracy.thresholds == pytest.approx((0.675, 0.8))
    assert result.accuracy.folds == (0.5, 0.75)
    assert result.accuracy.mean == 0.625
    assert result.accuracy.deviation == pytest.approx(0.125 * math.sqrt(2))


def test_the_mirror_image_is_added() -> None:
    # The embedder sees the left half only, so a face and its mirror image agree only through the sum.
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 255, (40, 4, 4, 3)).astype(np.uint8)
    images = np.stack([faces, faces[:, :, ::-1]], axis=1).reshape(80, 4, 4, 3)

    def left_half(batch: np.ndarray) -> np.ndarray:
        return batch[:, :, :2].reshape(len(batch), -1).astype(np.float32)

    result = evaluate_verification(make_pairs([True] * 40, images=images), left_half)
    assert result.scores == pytest.approx(np.ones(40))


def test_every_image_is_embedded_once_with_its_mirror_and_progress_is_told() -> None:
    images, same, folds = random_faces(0, 10)
    seen, told = [], []

    def embed(batch: np.ndarray) -> np.ndarray:
        assert batch.dtype == np.uint8
        assert batch.flags.c_contiguous
        seen.append(batch)
        return flat(batch)

    evaluate_verification(make_pairs(same, folds, images), embed, 8, lambda done, total: told.append((done, total)))
    assert np.array_equal(np.concatenate(seen[::2]), images)
    assert np.array_equal(np.concatenate(seen[1::2]), images[:, :, ::-1])
    assert told == [(8, 20), (16, 20), (20, 20)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_not_finite_is_an_error_naming_the_image(bad: float) -> None:
    def embed(batch: np.ndarray) -> np.ndarray:
        embeddings = flat(batch)
        embeddings[batch[:, 0, 0, 0] == 77, 3] = bad
        return embeddings

    images, same, folds = random_faces(0, 10)
    images[:, 0, 0, 0] = 1
    images[13, 0, 0, 0] = 77
    with pytest.raises(EvaluationError, match="face 13 is not finite") as caught:
        evaluate_verification(make_pairs(same, folds, images), embed, 8)
    assert caught.value.exit_code == ExitCode.BAD_MODEL


def test_a_mirror_image_that_is_not_finite_is_named_so() -> None:
    def embed(batch: np.ndarray) -> np.ndarray:
        return np.where(batch[:, 0, 3, :1] == 77, np.nan, flat(batch))

    images, same, folds = random_faces(0, 10)
    images[:, 0, :, 0] = 1
    images[5, 0, 0, 0] = 77
    with pytest.raises(EvaluationError, match="the mirror image of face 5 is not finite"):
        evaluate_verification(make_pairs(same, folds, images), embed, 8)


def test_an_antisymmetric_embedder_has_no_direction() -> None:
    def embed(batch: np.ndarray) -> np.ndarray:
        values = batch.astype(np.float32)
        return (values - values[:, :, ::-1]).reshape(len(batch), -1)

    images, same, folds = random_faces(0, 10)
    with pytest.raises(EvaluationError, match="face 0 and of its mirror image add to zero"):
        evaluate_verification(make_pairs(same, folds, images), embed)


@pytest.mark.parametrize("shape", [(20,), (19, 8), (20, 2, 4)])
def test_embeddings_of_the_wrong_shape_are_an_error(shape: tuple[int, ...]) -> None:
    images, same, folds = random_faces(0, 10)
    with pytest.raises(EvaluationError, match="for 20 images; expected"):
        evaluate_verification(make_pairs(same, folds, images), lambda batch: np.ones(shape, np.float32))


def test_a_constant_embedder_is_at_chance_and_says_so() -> None:
    images, same, folds = random_faces(0, 600)
    result = evaluate_verification(
        make_pairs(same, folds, images), lambda batch: np.ones((len(batch), 4), np.float32), resamples=20
    )
    assert result.accuracy is not None
    assert result.accuracy.mean == pytest.approx(0.5, abs=0.06)
    (point,) = result.tars
    assert (point.far, point.tar) == (0.1, 0.0)  # all scores are tied, so none may be accepted


@pytest.mark.parametrize(("same", "missing"), [([True] * 400, "different people"), ([False] * 400, "one person")])
def test_pairs_of_one_kind_give_no_accuracy(same: list[bool], missing: str) -> None:
    result = score_verification(make_pairs(same), np.linspace(0, 1, 400))
    assert result.accuracy is None
    assert result.tars == ()
    assert result.metrics() == []
    accuracy, *tars = result.unsupported
    assert accuracy.name == "verification_accuracy"
    assert accuracy.what == f"pairs of {missing}"
    assert [point.name for point in tars] == ["tar_at_far_1e-1", "tar_at_far_1e-2", "tar_at_far_1e-3"]


def test_one_fold_gives_no_accuracy() -> None:
    result = score_verification(make_pairs([True, False], [0, 0]), np.array([0.9, 0.1]))
    assert result.accuracy is None
    assert (result.unsupported[0].what, result.unsupported[0].present, result.unsupported[0].needed) == ("folds", 1, 2)


@pytest.mark.parametrize(("impostors", "given"), [(299, 0), (300, 1), (2999, 1), (3000, 2), (29_999, 2), (30_000, 3)])
def test_a_rate_is_given_from_thirty_expected_false_accepts_on(impostors: int, given: int) -> None:
    same = [True] * 50 + [False] * impostors
    scores = np.random.default_rng(0).normal(size=len(same)) + 3 * np.array(same)
    result = score_verification(make_pairs(same), scores, resamples=3)
    assert len(result.tars) == given
    assert [(point.present, point.needed) for point in result.unsupported] == [
        (impostors, needed) for needed in (300, 3000, 30_000)[given:]
    ]


def test_metrics_carry_name_value_protocol_and_interval() -> None:
    same = [True, False] * 400
    scores = np.random.default_rng(0).normal(size=800) + 2 * np.array(same)
    result = score_verification(make_pairs(same), scores, resamples=50)
    assert [metric["name"] for metric in result.metrics()] == [
        "verification_accuracy", "verification_accuracy_deviation", "tar_at_far_1e-1",
    ]  # fmt: skip
    for metric in result.metrics():
        assert metric["protocol"] == "lfw-pairs:10-fold:0123456789ab:mirror-sum"
        assert type(metric["value"]) is float
        if metric["interval"] is not None:
            low, high = metric["interval"]
            assert low < metric["value"] < high
    (row,) = result.operating_points()
    assert np.mean(scores[np.array(same)] >= row["threshold"]) == row["tar"]
    assert np.sum(scores[~np.array(same)] >= row["threshold"]) == 40


def test_the_interval_is_seeded_and_does_not_collapse_on_a_perfect_score() -> None:
    same = [True, False] * 300
    scores = np.random.default_rng(0).normal(size=600) + 100 * np.array(same)
    results = [score_verification(make_pairs(same), scores, resamples=30, seed=seed) for seed in (5, 5)]
    assert results[0].tars == results[1].tars
    assert results[0].tars[0].tar == 1
    low, high = results[0].tars[0].interval
    assert (low, high) == (pytest.approx(1 / (1 + 1.96**2 / 300), abs=1e-4), 1.0)


def test_pairs_of_one_person_are_resampled_together() -> None:
    # 300 genuine pairs of 10 people, each of whom is always or never recognised: there are 10 facts, not 300.
    same = [True] * 300 + [False] * 300
    person = np.repeat(np.arange(10), 30)
    scores = np.concatenate([np.where(person < 5, 2.0, -2.0), np.linspace(-1, 1, 300)])
    people = np.repeat(np.concatenate([person, np.arange(100, 400)]), 2)

    def width(people) -> float:
        low, high = score_verification(make_pairs(same, people=people), scores, resamples=300).tars[0].interval
        return high - low

    assert width(people) > 0.5  # a binomial of 10 trials: ± 0.31
    assert width(None) < 0.15  # a binomial of 300 trials: ± 0.057


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    # Genuine scores N(2, 1), impostors N(0, 1): TAR at FAR 0.1 is 1 - Phi(1.2816 - 2) = 0.7637.
    truth, covered, repeats = 0.7637, 0, 150
    same = [True] * 400 + [False] * 400
    for seed in range(repeats):
        scores = np.random.default_rng(seed).normal(size=800) + 2 * np.array(same)
        low, high = score_verification(make_pairs(same), scores, resamples=150, seed=seed).tars[0].interval
        covered += low <= truth <= high
    assert 0.90 <= covered / repeats <= 0.99


@pytest.mark.parametrize(("far", "name"), [(1e-1, "1e-1"), (1e-3, "1e-3"), (5e-2, "5e-2"), (2.5e-4, "2.5e-4")])
def test_names_of_rates(far: float, name: str) -> None:
    assert tar_name(far) == f"tar_at_far_{name}"


@pytest.mark.shared_data
def test_pixels_alone_are_a_little_above_chance_on_lfw(shared_data: Path) -> None:
    pairs = load_pairs(shared_data / "verification" / "lfw")

    def sampled_pixels(batch: np.ndarray) -> np.ndarray:
        return batch[:, 4::8, 4::8].reshape(len(batch), -1).astype(np.float32) - 127.5

    result = evaluate_verification(pairs, sampled_pixels, resamples=20)
    assert result.accuracy is not None
    assert 0.60 < result.accuracy.mean < 0.70
    assert [point.far for point in result.tars] == [0.1, 0.01]
    assert result.unsupported[0].needed == 30_000
