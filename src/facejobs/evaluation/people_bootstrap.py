"""Intervals for rates of searches: people are drawn, since the photographs of one person succeed and fail together."""

from collections.abc import Callable

import numpy as np

from facejobs.evaluation.confidence import bootstrap, percentile_interval, resample_counts, wilson_interval
from facejobs.evaluation.searches import Flags, Ints

Interval = tuple[float, float]


class PeopleDraws:
    """Draws subjects with replacement, those with a mate and strangers apart; each brings all of its searches."""

    def __init__(self, subjects: Ints, mated: Flags) -> None:
        self._of_mated = np.unique(subjects[mated], return_inverse=True)[1]
        self._of_strangers = np.unique(subjects[~mated], return_inverse=True)[1]

    def mated(self, generator: np.random.Generator) -> Ints:
        """How often each mated search is drawn."""
        return _drawn(generator, self._of_mated)

    def strangers(self, generator: np.random.Generator) -> Ints:
        """How often each non-mated search is drawn."""
        return _drawn(generator, self._of_strangers)


def _drawn(generator: np.random.Generator, subjects: Ints) -> Ints:
    counts: Ints = resample_counts(generator, int(subjects.max()) + 1)[subjects]
    return counts


def people_interval(
    statistic: Callable[[np.random.Generator], float], value: float, count: int, resamples: int, seed: int
) -> Interval:
    """The 95 % interval of a `statistic` of drawn people, which is `value` for all of them, over `count` searches.

    It is never narrower than the score interval, which sees doubt in a perfect score too.
    """
    low, high = percentile_interval(bootstrap(statistic, resamples, seed))
    score_low, score_high = wilson_interval(value * count, count)
    return min(low, score_low), max(high, score_high)
