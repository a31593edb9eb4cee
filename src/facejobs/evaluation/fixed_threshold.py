"""What a threshold does that was chosen before, on other people: whether a calibration keeps its word."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facejobs.evaluation.people_bootstrap import Interval, PeopleDraws, people_interval
from facejobs.evaluation.searches import Flags, Ints, Searches


@dataclass(frozen=True, slots=True)
class RatesAtThreshold:
    """FNIR and FPIR at `threshold`, with their intervals; None where there are no mated, or no other, searches."""

    threshold: float
    fnir: float | None
    fnir_interval: Interval | None
    fpir: float | None
    fpir_interval: Interval | None

    def metrics(self) -> list[tuple[str, float, Interval]]:
        """Name, value and interval of those that there are."""
        rates = (
            ("calibrated_fnir", self.fnir, self.fnir_interval),
            ("calibrated_fpir", self.fpir, self.fpir_interval),
        )
        return [(name, value, interval) for name, value, interval in rates if value is not None and interval]


def rates_at(threshold: float, searches: Searches, draws: PeopleDraws, resamples: int, seed: int) -> RatesAtThreshold:
    """Count who is missed and which strangers are named at `threshold`."""
    mated = searches.mated
    named = searches.top_similarity >= threshold
    missed = ~(named & (searches.ranks == 1))[mated]
    fnir = _rate(missed, draws.mated, resamples, seed)
    fpir = _rate(named[~mated], draws.strangers, resamples, seed)
    return RatesAtThreshold(threshold, *fnir, *fpir)


def _rate(
    errors: Flags, draw: Callable[[np.random.Generator], Ints], resamples: int, seed: int
) -> tuple[float, Interval] | tuple[None, None]:
    if not len(errors):
        return None, None
    value = float(errors.mean())

    def share(generator: np.random.Generator) -> float:
        weights = draw(generator)
        return float(weights @ errors / weights.sum())

    return value, people_interval(share, value, len(errors), resamples, seed)
