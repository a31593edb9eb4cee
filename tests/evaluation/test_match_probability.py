"""Platt scaling finds the probabilities that are there, claims no more than its data show, and is measured honestly."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from facejobs.errors import ExitCode
from facejobs.evaluation.accept_threshold import IdentificationTrials
from facejobs.evaluation.match_probability import fit_match_probability, measure_reliability
from facejobs.evaluation.platt_scaling import NotSeparableError, fit_platt_scaling
from facejobs.evaluation.reliability_picture import draw_reliability


def normal_trials(seed: int, known: int = 200, strangers: int = 400) -> IdentificationTrials:
    """Known faces around 0.6, strangers around 0.2, both with deviation 0.1: the log odds are 40 s - 16 exactly."""
    generator = np.random.default_rng(seed)
    return IdentificationTrials(
        known=generator.normal(0.6, 0.1, known),
        known_right=np.ones(known, bool),
        known_people=np.arange(known),
        strangers=generator.normal(0.2, 0.1, strangers),
        stranger_people=known + np.arange(strangers),
    )


def test_it_finds_the_logistic_function_that_made_the_data() -> None:
    generator = np.random.default_rng(0)
    similarities = generator.uniform(-0.2, 0.9, 40_000)
    right = generator.random(40_000) < expit(12 * similarities - 5)
    scaling = fit_platt_scaling(similarities, right, np.ones(40_000))
    assert scaling.slope == pytest.approx(12, rel=0.03) and scaling.offset == pytest.approx(-5, rel=0.03)


@pytest.mark.parametrize(("known", "strangers"), [(2000, 2000), (500, 8000)])
def test_probabilities_mean_half_known_and_half_strangers_whatever_was_tried(known: int, strangers: int) -> None:
    scaling = fit_match_probability(normal_trials(1, known, strangers))
    assert float(scaling.probability(np.array(0.4))) == pytest.approx(0.5, abs=0.1)


@settings(max_examples=25)
@given(st.floats(0.01, 100), st.floats(-10, 10))
def test_the_scale_of_similarities_does_not_matter(factor: float, shift: float) -> None:
    trials = normal_trials(2, 40, 60)
    scores = np.concatenate([trials.known, trials.strangers])
    right, weights = np.arange(100) < 40, np.ones(100)
    plain = fit_platt_scaling(scores, right, weights).probability(scores)
    scaled = fit_platt_scaling(scores * factor + shift, right, weights).probability(scores * factor + shift)
    np.testing.assert_allclose(plain, scaled, atol=2e-3)


def test_no_similarity_is_surer_than_the_number_of_trials() -> None:
    trials = IdentificationTrials(
        np.full(8, 0.9), np.ones(8, bool), np.arange(8), np.full(48, 0.1), np.arange(8, 56)
    )  # fmt: skip
    scaling = fit_match_probability(trials)
    assert float(scaling.probability(np.array(5.0))) == pytest.approx(49 / 50)
    assert float(scaling.probability(np.array(-5.0))) == pytest.approx(1 / 10)


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=20))
def test_more_similar_is_never_less_probable(similarities: list[float]) -> None:
    probabilities = fit_match_probability(normal_trials(3)).probability(np.sort(similarities))
    assert (np.diff(probabilities) >= 0).all() and ((probabilities > 0) & (probabilities < 1)).all()


def test_similarities_that_say_nothing_are_refused() -> None:
    with pytest.raises(NotSeparableError, match="tells these people not apart") as caught:
        fit_platt_scaling(np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False]), np.ones(4))
    assert caught.value.exit_code == ExitCode.BAD_DATA
    with pytest.raises(NotSeparableError, match="no right matches"):
        fit_platt_scaling(np.zeros(4), np.zeros(4, bool), np.ones(4))
    with pytest.raises(NotSeparableError, match="no wrong matches"):
        fit_platt_scaling(np.zeros(4), np.ones(4, bool), np.ones(4))


def test_good_probabilities_come_true_on_people_left_out() -> None:
    reliability = measure_reliability(normal_trials(4, 2000, 2000))
    assert reliability is not None
    assert reliability.expected_error < 0.02 and reliability.brier < 0.03
    assert sum(bin_.matches for bin_ in reliability.bins) == 4000
    for bin_ in reliability.bins:
        assert bin_.interval[0] <= bin_.right <= bin_.interval[1]


def test_each_person_is_judged_by_a_scaling_that_never_saw_them() -> None:
    """Known people who are all alike, but for one: fitted with that one, it would be thought more probable."""
    trials = normal_trials(5, 30, 60)
    trials.known[0] = 0.2
    reliability = measure_reliability(trials)
    assert reliability is not None
    with_them = fit_match_probability(trials).probability(trials.known[:1])[0]
    assert reliability.probabilities[0] < with_them


def test_too_few_people_leave_nobody_to_measure_on() -> None:
    one = IdentificationTrials(np.array([0.9, 0.8]), np.ones(2, bool), np.zeros(2, int), np.zeros(5), np.arange(1, 6))
    assert measure_reliability(one) is None


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    reliability = measure_reliability(normal_trials(6))
    assert reliability is not None
    draw_reliability(reliability, "a title", tmp_path / "reliability.png")
    assert cv2.imread(str(tmp_path / "reliability.png")).shape == (600, 840, 3)
