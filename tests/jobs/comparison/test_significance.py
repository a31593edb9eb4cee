"""The paired bootstrap against a literal one, and what it must say in plain cases."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.jobs.comparison.pair_scores import PairScores, parse_pair_scores
from facejobs.jobs.comparison.significance import paired_bootstrap


def decided(correct: np.ndarray, protocol: str = "p") -> PairScores:
    same = np.arange(len(correct)) % 2 == 0
    return PairScores("lfw", protocol, np.linspace(0, 4, len(correct)), same, correct)


def random_decisions(seed: int, shares: tuple[float, float], pairs: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    difficulty = generator.random(pairs)
    return tuple(difficulty + generator.normal(0, 0.1, pairs) < share for share in shares)


def test_interval_equals_a_literal_bootstrap_over_pairs() -> None:
    first, other = random_decisions(1, (0.80, 0.85))
    result = paired_bootstrap(decided(first), decided(other))
    generator = np.random.default_rng(7)
    drawn = generator.integers(0, len(first), (20_000, len(first)))
    differences = other[drawn].mean(axis=1) - first[drawn].mean(axis=1)
    assert result.difference == pytest.approx(other.mean() - first.mean())
    assert (result.low, result.high) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.004)
    share = 2 * min(np.mean(differences <= 0), np.mean(differences >= 0))
    assert result.p == pytest.approx(share, abs=0.01)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    # Two models of equal skill: 95 of 100 experiments should leave zero inside.
    outside = sum(
        paired_bootstrap(*map(decided, random_decisions(seed, (0.8, 0.8))), resamples=2000).real for seed in range(300)
    )
    assert 3 <= outside <= 30


def test_a_large_difference_is_real_and_a_small_one_is_not() -> None:
    first, other = np.arange(600) < 480, np.arange(600) < 540
    result = paired_bootstrap(decided(first), decided(other))
    assert result.real and result.low > 0 and result.p < 0.01
    assert (result.only_first, result.only_other) == (0, 60)
    few = other.copy()
    few[:598] = first[:598]
    assert not paired_bootstrap(decided(first), decided(few)).real


def test_equal_decisions_are_no_difference() -> None:
    first = np.arange(50) < 40
    result = paired_bootstrap(decided(first), decided(first))
    assert (result.difference, result.low, result.high, result.p, result.real) == (0, 0, 0, 1, False)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_exchanging_the_models_mirrors_the_result(answers: list[tuple[bool, bool]]) -> None:
    first, other = (decided(np.array(side)) for side in zip(*answers, strict=True))
    there, back = paired_bootstrap(first, other), paired_bootstrap(other, first)
    assert there.difference == -back.difference
    assert there.low <= there.difference <= there.high or len(answers) < 5
    assert 0 < there.p <= 1 and there.real == (there.low > 0 or there.high < 0)
    assert (there.only_first, there.only_other) == (back.only_other, back.only_first)


def test_the_same_scores_give_the_same_interval() -> None:
    first, other = map(decided, random_decisions(3, (0.7, 0.8)))
    assert paired_bootstrap(first, other) == paired_bootstrap(first, other)


def test_other_pairs_are_refused_and_other_labels_not_compared() -> None:
    first = decided(np.arange(10) < 5)
    with pytest.raises(ValueError, match="other pairs"):
        paired_bootstrap(first, decided(np.arange(10) < 5, "q"))
    relabelled = PairScores("lfw", "p", first.distance, ~first.same, first.correct)
    assert paired_bootstrap(first, relabelled) is None
    assert paired_bootstrap(first, PairScores("lfw", "p", first.distance, first.same, None)) is None


WHOLE = {"format": 1, "protocol": "p", "pairs": 2, "distance": [0.5, 1], "same": [True, False], "correct": [True, True]}


def test_scores_are_read_back() -> None:
    scores = parse_pair_scores("lfw", json.dumps(WHOLE).encode())
    assert scores.same.tolist() == [True, False] and scores.distance.tolist() == [0.5, 1]
    assert parse_pair_scores("lfw", json.dumps({**WHOLE, "correct": None}).encode()).correct is None


@pytest.mark.parametrize(
    "change",
    [{"pairs": 3}, {"pairs": []}, {"format": 2}, {"protocol": 7}, {"same": [1, 0]}, {"same": [True]},
     {"distance": ["x", 1]}, {"distance": [[1], [2]]}, {"distance": [float("nan"), 1]}, {"correct": "yes"}],
)  # fmt: skip
def test_damaged_scores_are_none(change: dict) -> None:
    assert parse_pair_scores("lfw", json.dumps({**WHOLE, **change}).encode()) is None


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert parse_pair_scores("lfw", data) is None
