"""From similarities to probabilities: Platt scaling.

Platt, "Probabilistic outputs for support vector machines" (1999), with the targets that he gives against overfitting
and the stable logarithms of Lin, Lin and Weng (Machine Learning 68, 2007). The probability is that of a logistic
function of the similarity, which is all that so few data can fix.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from facejobs.errors import ExitCode
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.thresholds import Flags, Scores

_TOLERANCE = 1e-8


class NotSeparableError(EvaluationError):
    """Similarities say nothing of what is right: there is no probability to be had from them."""

    exit_code = ExitCode.BAD_DATA


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """probability = 1 / (1 + exp(-(slope * similarity + offset))), kept between `lowest` and `highest`.

    The bounds are what the number of matches can show: where n wrong ones were tried, no similarity makes a match more
    probable than (n + 1) / (n + 2), and where n right ones were, none makes it less probable than 1 / (n + 2).
    """

    slope: float
    offset: float
    lowest: float
    highest: float

    def probability(self, similarities: NDArray[Any]) -> Scores:
        """Return the probability that a match of each similarity is right."""
        logits = self.slope * np.asarray(similarities, np.float64) + self.offset
        bounded: Scores = np.clip(expit(logits), self.lowest, self.highest)
        return bounded


def fit_platt_scaling(similarities: Scores, right: Flags, weights: Scores) -> PlattScaling:
    """Return the scaling of greatest weighted likelihood for matches of which some are `right`.

    `weights` say how much each match counts, such as to give strangers the share that they are expected to have.
    Raises NotSeparableError where all are right or none is, and where right matches are not the more similar ones.
    """
    hits, misses = int(right.sum()), int((~right).sum())
    if not hits or not misses:
        what = "right matches" if not hits else "wrong matches"
        raise NotSeparableError(f"there are no {what}, so that nothing says which similarity means what")
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (misses + 2))
    centre, spread = float(np.average(similarities, weights=weights)), float(np.std(similarities)) or 1.0
    standard = (similarities - centre) / spread
    share = weights / weights.sum()

    def loss(parameters: Scores) -> tuple[float, Scores]:
        logits = parameters[0] * standard + parameters[1]
        error = share * (expit(logits) - targets)
        value = float(share @ (np.logaddexp(0, logits) - targets * logits))
        return value, np.array([error @ standard, error.sum()])

    slope, offset = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": _TOLERANCE}).x
    if slope <= _TOLERANCE:
        raise NotSeparableError(
            "right matches are no more similar than wrong ones: the recogniser tells these people not apart"
        )
    return PlattScaling(
        slope=float(slope / spread),
        offset=float(offset - slope * centre / spread),
        lowest=1 / (hits + 2),
        highest=(misses + 1) / (misses + 2),
    )
