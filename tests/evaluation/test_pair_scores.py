"""Pair scores: what the file says is what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from facejobs.data.encoded_images import EncodedImages
from facejobs.data.pairs import VerificationPairs, contiguous_folds
from facejobs.evaluation.pair_scores import write_pair_scores
from facejobs.evaluation.verification import VerificationResult, score_verification


def measured(scores: list[float], same: list[bool]) -> VerificationResult:
    count = len(same)
    pairs = VerificationPairs(
        name="set",
        format="lfw-pairs",
        fingerprint="0123456789abcdef",
        images=EncodedImages([b""] * 2 * count, [str(number) for number in range(2 * count)]),
        left=np.arange(0, 2 * count, 2),
        right=np.arange(1, 2 * count, 2),
        same=np.array(same),
        folds=contiguous_folds(count, 2),
        people=None,
    )
    return score_verification(pairs, np.array(scores), resamples=10)


def test_each_pair_is_decided_by_the_threshold_of_the_other_folds(tmp_path: Path) -> None:
    # Fold 1 divides at 0.5, fold 2 at 0.3: the others' threshold decides one pair of each wrongly.
    result = measured([0.8, 0.4, 0.6, 0.2, 0.4, 0.2], [True, False, True, False, True, False])
    path = tmp_path / "scores" / "set.json"
    write_pair_scores(result, path)
    stored = json.loads(path.read_text())
    assert stored["correct"] == [True, False, True, True, False, True]
    assert np.mean(stored["correct"]) == pytest.approx(result.accuracy.mean)
    assert stored["distance"] == pytest.approx([0.4, 1.2, 0.8, 1.6, 1.2, 1.6])
    assert stored["same"] == [True, False, True, False, True, False]
    assert (stored["format"], stored["pairs"]) == (1, 6)
    assert stored["protocol"] == "lfw-pairs:2-fold:0123456789ab:mirror-sum"
    assert [entry.name for entry in path.parent.iterdir()] == ["set.json"]


def test_without_an_accuracy_no_pair_was_decided(tmp_path: Path) -> None:
    write_pair_scores(measured([0.1, 0.2, 0.3, 0.4], [True] * 4), tmp_path / "set.json")
    stored = json.loads((tmp_path / "set.json").read_text())
    assert stored["correct"] is None and len(stored["distance"]) == 4
