"""The threshold at which a given share of strangers is taken for somebody known, and how sure that is.

A trial is one face compared with everybody known. That of a stranger is a false accept where its best similarity
reaches the threshold: ISO/IEC 19795-1 calls the rate false-positive identification rate. It grows with the number of
people known, unlike that of single pairs.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.errors import ExitCode
from facejobs.evaluation.confidence import (
    RULE_OF_THREE,
    bootstrap,
    clopper_pearson_interval,
    percentile_interval,
    resample_counts,
    trials_to_exclude,
)
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.thresholds import Flags, OrderedScores, Scores

RESAMPLES = 1000


class UnsupportedRateError(EvaluationError):
    """There is too little data to say anything of the rate that was asked for."""

    exit_code = ExitCode.BAD_DATA


@dataclass(frozen=True, slots=True, eq=False)
class IdentificationTrials:
    """The best similarities of K faces of known people and of S faces of strangers.

    `known_right` (K,) says whether the best match was the right person. `known_people` (K,) and `stranger_people` (S,)
    number the people shown, one number for a person in both: faces of one person are not independent of each other.
    `known_as_strangers`: there were no strangers, and their faces are those of known people, each compared with
    everybody else. True strangers may be more similar to somebody.
    """

    known: Scores
    known_right: Flags
    known_people: NDArray[np.int64]
    strangers: Scores
    stranger_people: NDArray[np.int64]
    known_as_strangers: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.known).all() and np.isfinite(self.strangers).all()):
            raise ValueError("similarities must be finite")


@dataclass(frozen=True, slots=True)
class AcceptThreshold:
    """A threshold on similarities with what it does: faces that reach it are given a name.

    `target` is the rate asked for, `far` the measured share of strangers' faces that get a name, `tar` that of known
    people's faces that get theirs (None where no face of a known person was tried). Intervals are 95 %: that of
    `threshold` says where other strangers would have put it, those of the rates what they may be at this threshold.
    `known_as_strangers` as in IdentificationTrials.
    """

    target: float
    threshold: float
    threshold_interval: tuple[float, float]
    far: float
    far_interval: tuple[float, float]
    tar: float | None
    tar_interval: tuple[float, float] | None
    stranger_faces: int
    strangers: int
    known_as_strangers: bool
    known_faces: int
    known_people: int


def choose_threshold(
    trials: IdentificationTrials, target: float, resamples: int = RESAMPLES, seed: int = 0
) -> AcceptThreshold:
    """Return the lowest threshold that at most the share `target` of the strangers' faces reaches.

    The intervals hold both what resampling people gives (bootstrap) and what Clopper and Pearson's gives, since
    resampling sees no doubt where nothing was accepted, and the other none in faces of one person.
    Raises UnsupportedRateError where there are fewer than 3 / `target` strangers' faces, ValueError for a target that
    is no rate.
    """
    if not 0 < target < 1:
        raise ValueError(f"{target} is no rate between 0 and 1")
    require_strangers(len(trials.strangers), target, trials.known_as_strangers)
    ordered = _ordered(trials)
    threshold = ordered.threshold_at_far(target)
    accepted = trials.strangers >= threshold
    people, number = _numbered(trials.stranger_people)

    def resampled_limit(generator: np.random.Generator) -> float:
        weights = resample_counts(generator, number)[people]
        return float(ordered.impostor[ordered.first_refused(target, weights)])

    low, high = percentile_interval(bootstrap(resampled_limit, resamples, seed))
    right = trials.known_right & (trials.known >= threshold)
    return AcceptThreshold(
        target=target,
        threshold=threshold,
        threshold_interval=(min(low, threshold), max(high, threshold)),
        far=float(accepted.mean()),
        far_interval=_share_interval(accepted, trials.stranger_people, resamples, seed),
        tar=float(right.mean()) if len(right) else None,
        tar_interval=_share_interval(right, trials.known_people, resamples, seed) if len(right) else None,
        stranger_faces=len(trials.strangers),
        strangers=number,
        known_as_strangers=trials.known_as_strangers,
        known_faces=len(trials.known),
        known_people=len(np.unique(trials.known_people)),
    )


def require_strangers(faces: int, target: float, known_as_strangers: bool = False) -> None:
    """Raise UnsupportedRateError where so few strangers' faces say nothing of the false-accept rate `target`.

    `known_as_strangers` as in IdentificationTrials.
    """
    needed = trials_to_exclude(target)
    if faces < needed:
        ask = f"ask for {strictest_rate(faces):g} or more, or bring" if faces > RULE_OF_THREE else "bring"
        whose = " (of known people, since there is no stranger)" if known_as_strangers else ""
        raise UnsupportedRateError(
            f"a false-accept rate of {target:g} needs at least {needed:,} strangers' faces (3 / rate, the rule of "
            f"three: with fewer, not even a test without false accepts would prove it), and there are {faces:,}"
            f"{whose}; {ask} that many faces of people who are not in the gallery"
        )


def strictest_rate(stranger_faces: int) -> float:
    """Return the lowest false-accept rate, to two digits, that so many strangers' faces say anything of."""
    rate = RULE_OF_THREE / stranger_faces
    digit = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return float(f"{math.ceil(rate / digit - 1e-9) * digit:.2g}")


def _ordered(trials: IdentificationTrials) -> OrderedScores:
    # A wrong name is no true accept at any threshold; one more that is none lets there be no known face.
    known = np.append(np.where(trials.known_right, trials.known, -np.inf), -np.inf)
    same = np.arange(len(known) + len(trials.strangers)) < len(known)
    return OrderedScores.of(np.concatenate([known, trials.strangers]), same)


def _share_interval(hits: Flags, people: NDArray[np.int64], resamples: int, seed: int) -> tuple[float, float]:
    people, number = _numbered(people)
    of_person = np.bincount(people, weights=hits, minlength=number)
    faces = np.bincount(people, minlength=number)

    def resampled(generator: np.random.Generator) -> float:
        weights = resample_counts(generator, number)
        return float(weights @ of_person / (weights @ faces))

    low, high = percentile_interval(bootstrap(resampled, resamples, seed))
    exact_low, exact_high = clopper_pearson_interval(int(hits.sum()), len(hits))
    return min(low, exact_low), max(high, exact_high)


def _numbered(people: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    names, numbers = np.unique(people, return_inverse=True)
    return numbers, len(names)
