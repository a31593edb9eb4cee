"""How far a measured proportion may be from the truth, and how many pairs a rate needs."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959963984540054  # two-sided, for CONFIDENCE
RULE_OF_30 = 30
RULE_OF_THREE = 3


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson, 1927); `successes` may be fractional.

    Unlike a resampling interval it does not collapse where every trial succeeded.
    """
    if trials <= 0:
        raise ValueError("an interval needs at least one trial")
    share, z2 = successes / trials, _NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _NORMAL_QUANTILE / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def clopper_pearson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a proportion (Clopper and Pearson, 1934): it never covers less than that."""
    if not 0 <= successes <= trials or trials <= 0:
        raise ValueError(f"{successes} of {trials} is no proportion")
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def trials_to_exclude(rate: float) -> int:
    """Return how many trials without one error show, at 95 % confidence, that the rate of errors is at most `rate`.

    The rule of three (Hanley and Lippman-Hand, 1983): with fewer, even a faultless test says nothing of that rate.
    """
    return math.ceil(RULE_OF_THREE / rate - 1e-6)


def pairs_needed(far: float) -> int:
    """Return how many impostor pairs a false accept rate needs by Doddington's rule of 30 (2000).

    With 30 expected errors the true rate is within 30 % of the measured one at 90 % confidence.
    """
    return math.ceil(RULE_OF_30 / far - 1e-6)


def bootstrap(statistic: Callable[[np.random.Generator], float], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return `statistic` evaluated `resamples` times with one seeded generator."""
    generator = np.random.default_rng(seed)
    return np.array([statistic(generator) for _ in range(resamples)])


def percentile_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the central 95 % of resampled values (percentile bootstrap; Efron, 1979)."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def resample_counts(generator: np.random.Generator, items: int) -> NDArray[np.int64]:
    """Return how often each of `items` is drawn in `items` draws with replacement."""
    return np.bincount(generator.integers(0, items, items), minlength=items)
