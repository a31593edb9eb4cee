"""Whether two models' accuracy on the same pairs differs by more than other pairs would make it: a paired bootstrap.

The percentile bootstrap of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13: pairs
are drawn with replacement, each with what both models made of it, and the difference of the accuracies is computed
anew. docs/how-to/compare-versions.md says what that covers and what not.
"""

from dataclasses import dataclass

import numpy as np

from facejobs.jobs.comparison.pair_scores import PairScores

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 0


@dataclass(frozen=True)
class PairedBootstrap:
    """The accuracy of `other` minus that of `first` on the same pairs, with its 95 % interval.

    `p` is twice the smaller share of resamples on one side of zero, in (0, 1]: small where chance among the pairs does
    not explain the difference. `only_first`, `only_other`: pairs that one model alone decided rightly.
    """

    set_name: str
    protocol: str
    pairs: int
    first_accuracy: float
    other_accuracy: float
    difference: float
    low: float
    high: float
    p: float
    only_first: int
    only_other: int
    resamples: int

    @property
    def real(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


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
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    sides = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return PairedBootstrap(
        set_name=first.name,
        protocol=first.protocol,
        pairs=pairs,
        first_accuracy=float(first.correct.mean()),
        other_accuracy=float(other.correct.mean()),
        difference=(only_other - only_first) / pairs,
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * (sides + 1) / (resamples + 1)),
        only_first=only_first,
        only_other=only_other,
        resamples=resamples,
    )
