"""How probable it is that a face is the person it matches best, and whether such probabilities come true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.evaluation.accept_threshold import IdentificationTrials
from facejobs.evaluation.confidence import wilson_interval
from facejobs.evaluation.platt_scaling import NotSeparableError, PlattScaling, fit_platt_scaling
from facejobs.evaluation.thresholds import Flags, Scores

KNOWN_SHARE = 0.5
"""The share of faces that are taken to be of known people, whatever it was among the trials."""
_FOLDS = 10
_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Matches of similar probability: the mean `probability`, the share that was `right` and its 95 % interval."""

    probability: float
    right: float
    interval: tuple[float, float]
    matches: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Whether probabilities came true on people that the scaling was not fitted to.

    `brier` is the mean squared difference between probability and truth (Brier, 1950; 0.25 for a coin), and
    `expected_error` the mean difference between the probability and the share that was right (the expected calibration
    error of Naeini, Cooper and Hauskrecht, AAAI 2015). Known faces and strangers' ones weigh alike in both.
    """

    bins: tuple[ReliabilityBin, ...]
    brier: float
    expected_error: float
    probabilities: Scores
    right: Flags


def fit_match_probability(trials: IdentificationTrials) -> PlattScaling:
    """Return the probability that the best match is right, where half of the faces are of known people.

    Raises NotSeparableError where similarities say nothing of that.
    """
    similarities, right, weights, _ = _matches(trials)
    return fit_platt_scaling(similarities, right, weights)


def measure_reliability(trials: IdentificationTrials, seed: int = 0) -> Reliability | None:
    """Return how well probabilities hold for people whom the scaling was not fitted to (10-fold cross-validation).

    None where there are too few people to leave any out.
    """
    similarities, right, weights, people = _matches(trials)
    names, numbers = np.unique(people, return_inverse=True)
    folds = np.random.default_rng(seed).permutation(len(names))[numbers] % _FOLDS
    probabilities = np.empty(len(right))
    for fold in np.unique(folds):
        held_out = folds == fold
        try:
            scaling = fit_platt_scaling(similarities[~held_out], right[~held_out], weights[~held_out])
        except NotSeparableError:
            return None
        probabilities[held_out] = scaling.probability(similarities[held_out])
    bins = _bins(probabilities, right, weights)
    return Reliability(
        bins=tuple(bin_ for bin_, _ in bins),
        brier=float(np.average((probabilities - right) ** 2, weights=weights)),
        expected_error=float(sum(share * abs(bin_.probability - bin_.right) for bin_, share in bins)),
        probabilities=probabilities,
        right=right,
    )


def _matches(trials: IdentificationTrials) -> tuple[Scores, Flags, Scores, NDArray[np.int64]]:
    """Of each best match its similarity, whether it is right, its weight and the number of the person shown."""
    known, strangers = len(trials.known), len(trials.strangers)
    return (
        np.concatenate([trials.known, trials.strangers]),
        np.concatenate([trials.known_right, np.zeros(strangers, bool)]),
        np.repeat([KNOWN_SHARE / max(known, 1), (1 - KNOWN_SHARE) / max(strangers, 1)], [known, strangers]),
        np.concatenate([trials.known_people, trials.stranger_people]),
    )


def _bins(probabilities: Scores, right: Flags, weights: Scores) -> list[tuple[ReliabilityBin, float]]:
    """Ten bins of equal width, those that hold a match, each with its share of the weight."""
    of_match = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    bins = []
    for number in np.unique(of_match):
        inside = of_match == number
        share = weights[inside]
        rate = float(np.average(right[inside], weights=share))
        # What weighted matches tell is as much as this number of equal ones does (Kish, 1965).
        effective = float(share.sum() ** 2 / (share**2).sum())
        interval = wilson_interval(rate * effective, max(1, round(effective)))
        mean = float(np.average(probabilities[inside], weights=share))
        bins.append((ReliabilityBin(mean, rate, interval, int(inside.sum())), float(share.sum() / weights.sum())))
    return bins
