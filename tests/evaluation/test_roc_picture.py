"""The ROC picture is drawn where there is a curve."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facejobs.data.encoded_images import EncodedImages
from facejobs.data.pairs import VerificationPairs, contiguous_folds
from facejobs.evaluation.roc_picture import draw_roc
from facejobs.evaluation.verification import VerificationResult, score_verification


def result_of(genuine: int, impostors: int, separation: float) -> VerificationResult:
    same = np.arange(genuine + impostors) < genuine
    pairs = VerificationPairs(
        name="drawn",
        format="lfw-pairs",
        fingerprint="f" * 64,
        images=EncodedImages([], []),
        left=np.zeros(len(same), int),
        right=np.zeros(len(same), int),
        same=same,
        folds=contiguous_folds(len(same), 10),
    )
    scores = np.random.default_rng(0).normal(size=len(same)) + separation * same
    return score_verification(pairs, scores, resamples=10)


def share_of_blue(path: Path, rows: slice) -> float:
    blue, green, red = cv2.imread(str(path))[rows].astype(int).transpose(2, 0, 1)
    return float(np.mean((blue > red + 60) & (blue > green + 30)))


def share_of_grey(path: Path) -> float:
    return float(np.mean((cv2.imread(str(path)) == 217).all(axis=2)))


@pytest.mark.parametrize(("genuine", "impostors"), [(1, 1), (3, 10), (300, 3000)])
def test_a_picture_is_drawn(tmp_path: Path, genuine: int, impostors: int) -> None:
    path = tmp_path / "roc.png"
    assert draw_roc(result_of(genuine, impostors, 2), path)
    assert cv2.imread(str(path)).shape == (600, 840, 3)


def test_a_better_curve_is_higher_and_more_pairs_grey_less(tmp_path: Path) -> None:
    good, bad, few = tmp_path / "good.png", tmp_path / "bad.png", tmp_path / "few.png"
    draw_roc(result_of(300, 3000, 5), good)
    draw_roc(result_of(300, 3000, 0), bad)
    draw_roc(result_of(300, 20, 0), few)
    upper = slice(55, 150)
    assert share_of_blue(good, upper) > 0.01 > share_of_blue(bad, upper)
    assert share_of_grey(few) > share_of_grey(bad) + 0.1


@pytest.mark.parametrize("separation", [0, 1, 2, 5])
def test_the_curve_does_not_strike_the_words_through(tmp_path: Path, separation: float) -> None:
    path = tmp_path / "roc.png"
    draw_roc(result_of(300, 300, separation), path)
    blue, green, red = cv2.imread(str(path)).astype(int).transpose(2, 0, 1)
    words = np.argwhere(
        (blue < 140) & (blue == green) & (green == red) & (np.arange(840) > 150) & (np.arange(840) < 400)
    )
    words = words[(words[:, 0] > 70) & (words[:, 0] < 480)]
    (top, left), (bottom, right) = words.min(axis=0), words.max(axis=0)
    assert not ((blue > red + 60) & (blue > green + 30))[top:bottom, left:right].any()


@pytest.mark.parametrize(("genuine", "impostors"), [(0, 5), (5, 0)])
def test_without_a_curve_nothing_is_drawn(tmp_path: Path, genuine: int, impostors: int) -> None:
    path = tmp_path / "roc.png"
    assert not draw_roc(result_of(genuine, impostors, 2), path)
    assert not path.exists()
