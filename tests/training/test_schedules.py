"""Learning-rate schedules against their formulas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.training.parameters import Parameters
from facejobs.training.schedules import Schedule


def schedule(**values) -> Schedule:
    return Schedule(Parameters(**{"lr": 1.0, "warmup_steps": 10, **values}), total_steps=110)


@pytest.mark.parametrize("kind", ["constant", "step", "linear", "cosine", "plateau"])
def test_warm_up_rises_linearly_to_the_rate(kind: str) -> None:
    rates = [schedule(schedule=kind).rate(step) for step in range(10)]
    assert rates == pytest.approx([0.1 * (step + 1) for step in range(10)])


def test_cosine_halves_in_the_middle_and_ends_near_zero() -> None:
    rates = schedule(schedule="cosine")
    assert rates.rate(60) == pytest.approx(0.5)
    assert rates.rate(35) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rates.rate(109) < 1e-3


def test_linear_falls_to_zero() -> None:
    assert schedule(schedule="linear").rate(60) == pytest.approx(0.5)


def test_step_multiplies_at_each_fraction() -> None:
    rates = schedule(schedule="step", lr_steps=(0.5, 0.8), lr_decay=0.1)
    assert [rates.rate(step) for step in (54, 55, 87, 88)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_plateau_decays_after_its_patience_and_remembers_across_a_checkpoint() -> None:
    first = schedule(schedule="plateau", plateau_patience=2, lr_decay=0.5)
    for value in (0.5, 0.6, 0.6):
        first.observe(value)
    assert first.rate(50) == 1.0
    second = schedule(schedule="plateau", plateau_patience=2, lr_decay=0.5)
    second.load_state(first.state())
    second.observe(0.55)
    assert second.rate(50) == 0.5


@given(st.sampled_from(["constant", "step", "linear", "cosine", "plateau"]), st.integers(0, 109))
def test_rates_are_within_zero_and_the_rate(kind: str, step: int) -> None:
    assert 0 <= schedule(schedule=kind).rate(step) <= 1
