"""Intervals cover what they claim to, and the rule of 30 counts right."""

import numpy as np
import pytest
from scipy.stats import binomtest

from facejobs.evaluation.confidence import (
    bootstrap,
    clopper_pearson_interval,
    pairs_needed,
    percentile_interval,
    resample_counts,
    trials_to_exclude,
    wilson_interval,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (7, 10), (2900, 3000), (1, 1), (5970, 6000)])
def test_the_score_interval_equals_scipys(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_score_interval_holds_the_measured_share() -> None:
    for trials in (1, 3, 6000):
        for successes in range(0, trials + 1, max(1, trials // 7)):
            low, high = wilson_interval(successes, trials)
            assert 0 <= low <= successes / trials <= high <= 1
    with pytest.raises(ValueError, match="at least one"):
        wilson_interval(0, 0)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (7, 10), (3, 3000), (1, 1), (5970, 6000)])
def test_the_exact_interval_equals_scipys(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, "exact")
    assert clopper_pearson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 3), (4, 3)])
def test_no_exact_interval_of_what_is_no_proportion(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson_interval(successes, trials)


@pytest.mark.parametrize(("rate", "needed"), [(0.1, 30), (1e-3, 3000), (0.07, 43), (1e-6, 3_000_000)])
def test_the_rule_of_three(rate: float, needed: int) -> None:
    assert trials_to_exclude(rate) == needed
    # Not one error in as many trials: the one-sided 95 % bound is at most the rate.
    assert (1 - rate) ** needed < 0.0505


@pytest.mark.parametrize(("far", "needed"), [(1e-1, 300), (1e-2, 3000), (1e-3, 30000), (1e-6, 30_000_000), (0.07, 429)])
def test_the_rule_of_30(far: float, needed: int) -> None:
    assert pairs_needed(far) == needed


def test_resampling_draws_as_many_as_there_are_and_is_seeded() -> None:
    counts = resample_counts(np.random.default_rng(3), 1000)
    assert counts.sum() == 1000
    # A draw with replacement misses an item with probability (1 - 1/n)^n = 0.368.
    assert np.mean(counts == 0) == pytest.approx(0.368, abs=0.04)
    first, second, other = (bootstrap(lambda g: g.random(), 50, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_the_percentile_interval_leaves_two_and_a_half_percent_on_each_side() -> None:
    assert percentile_interval(np.arange(1001.0)) == pytest.approx((25, 975))
