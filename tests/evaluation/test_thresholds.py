"""Thresholds equal those of a literal search over every candidate."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facejobs.evaluation.thresholds import OrderedScores, midpoint, most_accurate_threshold

# Few distinct values, so that ties are common.
scored = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=25)


def arrays(pairs: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score / 4 for score, _ in pairs]), np.array([same for _, same in pairs])


def correct(pairs: list[tuple[int, bool]], threshold: float) -> int:
    return sum((score / 4 >= threshold) == same for score, same in pairs)


@given(scored)
def test_no_threshold_is_more_accurate_and_ties_go_to_the_highest(pairs: list[tuple[int, bool]]) -> None:
    distinct = sorted({score / 4 for score, _ in pairs})
    between = [(low + high) / 2 for low, high in itertools.pairwise(distinct)]
    candidates = [distinct[0], *between, math.nextafter(distinct[-1], math.inf)]
    best = max(correct(pairs, candidate) for candidate in candidates)
    expected = max(candidate for candidate in candidates if correct(pairs, candidate) == best)
    assert most_accurate_threshold(*arrays(pairs)) == expected


@pytest.mark.parametrize(
    ("scores", "same", "expected"),
    [
        ([0.9, 0.1], [True, False], 0.5),
        ([0.1, 0.9, 0.5, 0.7], [False, True, False, True], 0.6),
        ([0.2, 0.8], [True, True], 0.2),
        ([0.2, 0.8], [False, False], math.nextafter(0.8, 1)),
        ([0.5, 0.5, 0.5], [True, True, False], 0.5),
        ([0.5, 0.5], [True, False], math.nextafter(0.5, 1)),
    ],
)
def test_by_hand(scores: list[float], same: list[bool], expected: float) -> None:
    assert most_accurate_threshold(np.array(scores), np.array(same)) == pytest.approx(expected, abs=1e-15)


def test_without_scores_there_is_no_threshold() -> None:
    with pytest.raises(ValueError, match="at least one"):
        most_accurate_threshold(np.array([]), np.array([], bool))


def test_a_midpoint_divides_even_neighbouring_numbers() -> None:
    low = 0.3
    high = math.nextafter(low, 1)
    assert low < midpoint(low, high) <= high


def literal_tar(genuine: list[Fraction], impostor: list[Fraction], far: Fraction) -> Fraction:
    """Try every threshold that decides differently, and keep the best whose FAR is allowed."""
    best = Fraction(0)
    for threshold in {*genuine, *impostor}:
        if Fraction(sum(score >= threshold for score in impostor), len(impostor)) <= far:
            best = max(best, Fraction(sum(score >= threshold for score in genuine), len(genuine)))
    return best


@given(scored, st.sampled_from([Fraction(1, 1000), Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(1)]))
def test_tar_at_far_equals_the_literal_search(pairs: list[tuple[int, bool]], far: Fraction) -> None:
    scores, same = arrays(pairs)
    assume(same.any() and not same.all())
    genuine = [Fraction(score, 4) for score, flag in pairs if flag]
    impostor = [Fraction(score, 4) for score, flag in pairs if not flag]
    ordered = OrderedScores.of(scores, same)
    expected = literal_tar(genuine, impostor, far)
    assert ordered.tar_at_far(float(far)) == pytest.approx(float(expected))
    threshold = ordered.threshold_at_far(float(far))
    assert np.mean(scores[same] >= threshold) == pytest.approx(float(expected))
    assert np.mean(scores[~same] >= threshold) <= float(far) + 1e-12


@given(scored, st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.randoms(use_true_random=False))
def test_weights_are_repetitions(pairs: list[tuple[int, bool]], far: float, random) -> None:
    scores, same = arrays(pairs)
    assume(same.any() and not same.all())
    weights = np.array([random.choice([0, 1, 2, 3]) for _ in pairs])
    assume(weights[same].any() and weights[~same].any())
    repeated = OrderedScores.of(np.repeat(scores, weights), np.repeat(same, weights))
    weighted = OrderedScores.of(scores, same).tar_at_far(far, weights[same], weights[~same])
    assert weighted == pytest.approx(repeated.tar_at_far(far))


def test_exactly_the_allowed_number_of_impostors_is_accepted() -> None:
    impostor = np.arange(3000) / 3000
    scores = np.concatenate([impostor, impostor])
    ordered = OrderedScores.of(scores, np.arange(6000) < 3000)
    for far, accepted in ((0.1, 300), (0.01, 30), (0.001, 3)):
        assert np.sum(impostor >= ordered.threshold_at_far(far)) == accepted
        assert ordered.tar_at_far(far) == pytest.approx(far)


@given(scored)
def test_the_roc_reads_as_tar_at_far(pairs: list[tuple[int, bool]]) -> None:
    scores, same = arrays(pairs)
    assume(same.any() and not same.all())
    ordered = OrderedScores.of(scores, same)
    far, tar = ordered.roc()
    assert [ordered.tar_at_far(rate) for rate in far] == pytest.approx(list(tar))
    assert (np.diff(tar) >= 0).all()
    assert (far[0], far[-1], tar[-1]) == (0, 1, 1)
