"""Thresholds for a false-accept rate: exact on the trials at hand, refused where they say nothing, honest elsewhere."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.errors import ExitCode
from facejobs.evaluation.accept_threshold import (
    AcceptThreshold,
    IdentificationTrials,
    UnsupportedRateError,
    choose_threshold,
    strictest_rate,
)


def trials_of(
    strangers: np.ndarray, known: np.ndarray | None = None, right: np.ndarray | None = None, faces_each: int = 1
) -> IdentificationTrials:
    known = np.zeros(0) if known is None else np.asarray(known, float)
    return IdentificationTrials(
        known=known,
        known_right=np.ones(len(known), bool) if right is None else right,
        known_people=np.arange(len(known)) // faces_each,
        strangers=np.asarray(strangers, float),
        stranger_people=10_000 + np.arange(len(strangers)) // faces_each,
    )


def quickly(trials: IdentificationTrials, target: float) -> AcceptThreshold:
    return choose_threshold(trials, target, resamples=20)


@settings(max_examples=60)
@given(st.lists(st.integers(-20, 20), min_size=10, max_size=60), st.lists(st.integers(-20, 20), max_size=20))
def test_no_lower_threshold_would_do(strangers: list[int], known: list[int]) -> None:
    target = 0.3
    trials = trials_of(np.array(strangers) / 20, np.array(known) / 20)
    found = quickly(trials, target)
    assert found.far == np.mean(trials.strangers >= found.threshold) <= target
    refused = trials.strangers[trials.strangers < found.threshold].max()
    assert np.mean(trials.strangers >= refused) > target
    assert found.tar == (np.mean(trials.known >= found.threshold) if known else None)
    for value, (low, high) in ((found.far, found.far_interval), (found.threshold, found.threshold_interval)):
        assert low <= value <= high


def test_a_wrong_name_is_no_true_accept() -> None:
    found = quickly(trials_of(np.zeros(100), np.ones(4), np.array([True, False, True, False])), 0.03)
    assert found.tar == 0.5


@pytest.mark.parametrize("target", [0.5, 0.1, 0.03, 0.01, 0.007])
def test_fewer_than_three_expected_false_accepts_are_refused(target: float) -> None:
    needed = math.ceil(3 / target)
    scores = np.linspace(0, 1, needed)
    quickly(trials_of(scores), target)
    with pytest.raises(UnsupportedRateError, match=f"needs at least {needed:,} strangers") as caught:
        quickly(trials_of(scores[1:]), target)
    assert caught.value.exit_code == ExitCode.BAD_DATA


@given(st.integers(4, 10_000_000))
def test_the_rate_that_is_suggested_is_supported_and_barely_so(faces: int) -> None:
    rate = strictest_rate(faces)
    assert 3 / faces <= rate * (1 + 1e-12) and rate <= 1.1 * 3 / faces + 1e-9
    assert float(f"{rate:.2g}") == rate


def test_a_refusal_suggests_what_the_data_support() -> None:
    trials = trials_of(np.linspace(0, 1, 350))
    with pytest.raises(UnsupportedRateError, match=r"ask for 0\.0086 or more"):
        quickly(trials, 0.001)
    quickly(trials, 0.0086)
    with pytest.raises(UnsupportedRateError, match=r"there are 350 \(of known people, since there is no stranger\)"):
        quickly(dataclasses.replace(trials, known_as_strangers=True), 0.001)
    with pytest.raises(UnsupportedRateError, match="there are 0; bring that many"):
        quickly(trials_of(np.zeros(0)), 0.1)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, float("nan")])
def test_a_target_must_be_a_rate(target: float) -> None:
    with pytest.raises(ValueError, match="no rate"):
        quickly(trials_of(np.zeros(10)), target)


def test_similarities_must_be_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        trials_of(np.array([0.1, np.nan]))


def test_the_interval_covers_the_true_rate() -> None:
    """Of normal scores the true rate at a threshold is known."""
    covered = 0
    for seed in range(60):
        scores = np.random.default_rng(seed).normal(size=300)
        found = choose_threshold(trials_of(scores), 0.05, resamples=100, seed=seed)
        truth = 0.5 * math.erfc(found.threshold / math.sqrt(2))
        covered += found.far_interval[0] <= truth <= found.far_interval[1]
    assert covered >= 54


def test_faces_of_one_person_prove_less_than_faces_of_many() -> None:
    generator = np.random.default_rng(3)
    of_person = np.repeat(generator.normal(size=30), 20)
    few = choose_threshold(trials_of(of_person, faces_each=20), 0.1)
    many = choose_threshold(trials_of(generator.normal(size=600)), 0.1)
    assert (few.strangers, many.strangers) == (30, 600)
    assert few.far_interval[1] - few.far_interval[0] > 2 * (many.far_interval[1] - many.far_interval[0])
    assert (
        few.threshold_interval[1] - few.threshold_interval[0] > many.threshold_interval[1] - many.threshold_interval[0]
    )


def test_the_same_trials_give_the_same_numbers() -> None:
    trials = trials_of(np.random.default_rng(0).normal(size=200), np.random.default_rng(1).normal(3, 1, 50))
    assert choose_threshold(trials, 0.02) == choose_threshold(trials, 0.02)
