"""How far a measured proportion may be from the truth, and how many pairs a rate needs."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959963984540054  # two-sided, for CONFIDENCE
RULE_OF_30 = 30


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
