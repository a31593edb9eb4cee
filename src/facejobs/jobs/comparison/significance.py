"""Whether two models differ on the same data by more than other data of its kind would make them: a paired bootstrap.

The percentile bootstrap of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13: pairs,
photographs or people are drawn with replacement, each with what both models made of it, and the difference is computed
anew. docs/how-to/compare-versions.md says what that covers and what not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.jobs.comparison.pair_scores import PairScores

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 0


@dataclass(frozen=True)
class PairedBootstrap:
    """The `metric` of `other` minus that of `first` on the same `count` `units` (a plural), with its 95 % interval.

    `metric` is its name in the journal and `told` what sentences call it; `set_name` is the set of data. `p` is twice
    the smaller share of resamples on one side of zero, in (0, 1]: small where chance among the units does not explain
    the difference. `only_first`, `only_other`: units that one model alone decided rightly, where that is known.
    """

    metric: str
    told: str
    set_name: str
    protocol: str
    units: str
    count: int
    first: float
    other: float
    difference: float
    low: float
    high: float
    p: float
    resamples: int
    only_first: int | None = None
    only_other: int | None = None

    @property
    def real(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def interval_and_p(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """The central 95 % of resampled differences, and p."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    sides = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return float(low), float(high), min(1.0, 2 * (sides + 1) / (len(differences) + 1))


def paired_bootstrap(first: PairScores, other: PairScores, resamples: int = RESAMPLES) -> PairedBootstrap | None:
    """Compare two models on the pairs of one protocol; None where either has no decisions or they are of other pairs.

    The same scores always give the same result. Raises ValueError if the protocols differ.
    """
    if first.protocol != other.protocol:
        raise ValueError(f"scores of other pairs: {first.protocol} and {other.protocol}")
    if first.correct is None or other.correct is None or not np.array_equal(first.same, other.same):
        return None
    pairs = len(first.same)
    if pairs == 0:
        return None
    only_first = int(np.sum(first.correct & ~other.correct))
    only_other = int(np.sum(other.correct & ~first.correct))
    # A resample depends on the pairs only through these three counts, so they are drawn: exactly, and at once.
    shares = np.array([only_first, only_other, pairs - only_first - only_other]) / pairs
    drawn = np.random.default_rng(_SEED).multinomial(pairs, shares, size=resamples)
    differences = (drawn[:, 1] - drawn[:, 0]) / pairs
    low, high, p = interval_and_p(differences)
    return PairedBootstrap(
        metric=f"{first.name}_accuracy",
        told="accuracy",
        set_name=first.name,
        protocol=first.protocol,
        units="pairs",
        count=pairs,
        first=float(first.correct.mean()),
        other=float(other.correct.mean()),
        difference=(only_other - only_first) / pairs,
        low=low,
        high=high,
        p=p,
        resamples=resamples,
        only_first=only_first,
        only_other=only_other,
    )
