"""One-to-many identification, closed set (CMC) and open set (FNIR at FPIR).

ISO/IEC 19795-1:2021 defines the rates, NIST's Face Recognition Technology Evaluation, Part 2: Identification, uses them
as FNIR(N, R, T) and FPIR(N, T); here R = 1: only the most similar person is ever named.
docs/how-to/evaluate-identification.md says what each number means.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facejobs.evaluation.confidence import RULE_OF_30, wilson_interval
from facejobs.evaluation.fixed_threshold import RatesAtThreshold, rates_at
from facejobs.evaluation.people_bootstrap import Interval, PeopleDraws, people_interval
from facejobs.evaluation.searches import Flags, Floats, Ints, Searches
from facejobs.evaluation.thresholds import OrderedScores

RANKS = (1, 5)
FPIRS = (1e-1, 1e-2, 1e-3)
HEADLINE_FPIR = 1e-2
RESAMPLES = 1000
MOST_RANKS = 100


@dataclass(frozen=True, slots=True)
class RankAccuracy:
    """The share of mated searches whose mate is among the `rank` most similar people (CMC)."""

    rank: int
    value: float
    interval: Interval

    @property
    def name(self) -> str:
        """The metric's name, such as rank1_accuracy."""
        return f"rank{self.rank}_accuracy"


@dataclass(frozen=True, slots=True)
class FnirAtFpir:
    """FNIR at the lowest threshold whose FPIR is at most `fpir`; `reached` is the FPIR measured there.

    `rough` marks a threshold that rests on fewer expected false positives than Doddington's rule of 30 asks for.
    """

    fpir: float
    fnir: float
    threshold: float
    interval: Interval
    reached: float
    reached_interval: Interval
    rough: bool

    @property
    def name(self) -> str:
        """The metric's name, such as fnir_at_fpir_1e-2."""
        return fnir_name(self.fpir)


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A number that these probes cannot give, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class IdentificationResult:
    """All numbers of one evaluation, and the searches they were computed from.

    `cmc` (K,) is the share of mated searches whose mate is at rank 1, 2 … K or better; `fpir` and `fnir` are the DET
    curve, by falling threshold. Those are empty without mated, or non-mated, searches. `at_threshold` is what a
    threshold does that was chosen before, on other people.
    """

    protocol: str
    searches: Searches = field(repr=False)
    subjects: Ints = field(repr=False)
    ranks: tuple[RankAccuracy, ...]
    open_set: tuple[FnirAtFpir, ...]
    not_measured: tuple[NotMeasured, ...]
    at_threshold: RatesAtThreshold | None
    cmc: Floats = field(repr=False)
    fpir: Floats = field(repr=False)
    fnir: Floats = field(repr=False)

    @property
    def headline(self) -> FnirAtFpir | None:
        """FNIR at an FPIR of 1 %, else at the lowest that is given; None where there is none."""
        known = {point.fpir: point for point in self.open_set}
        return known.get(HEADLINE_FPIR) or next(reversed(self.open_set), None)

    @property
    def threshold(self) -> float:
        """That of the headline; -inf, so that everybody gets a name, where there is none."""
        return self.headline.threshold if self.headline else -np.inf

    @property
    def headline_first(self) -> list[FnirAtFpir]:
        """The open set with the headline before the others."""
        return sorted(self.open_set, key=lambda point: point is not self.headline)

    def metrics(self) -> list[dict[str, Any]]:
        """Each number as name, value, protocol and interval, for journals: the headline first."""
        numbers = [(point.name, point.fnir, point.interval) for point in self.headline_first]
        numbers += [(point.name, point.value, point.interval) for point in self.ranks]
        numbers += [] if self.at_threshold is None else self.at_threshold.metrics()
        return [
            {"name": name, "value": value, "protocol": self.protocol, "interval": list(interval)}
            for name, value, interval in numbers
        ]


def fnir_name(fpir: float) -> str:
    """The metric's name of FNIR at `fpir`, such as fnir_at_fpir_1e-2."""
    mantissa, exponent = f"{fpir:e}".split("e")
    return f"fnir_at_fpir_{float(mantissa):g}e{int(exponent)}"


def evaluate_identification(
    searches: Searches,
    subjects: Ints,
    protocol: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
    threshold: float | None = None,
) -> IdentificationResult:
    """Measure `searches`; `subjects` (P,) is one number for each real person, strangers too.

    A `threshold` that was chosen before is measured too.

    Intervals are 95 % bootstrap intervals over the subjects, since the photographs of one person succeed and fail
    together. A search without a face is a miss if it is mated, and names nobody if it is not, as in NIST's evaluation.
    """
    missing: list[NotMeasured] = []
    mated = searches.mated
    draws = PeopleDraws(subjects, mated)
    ranks, cmc = _closed_set(searches, draws, resamples, seed, missing)
    open_set: list[FnirAtFpir] = []
    fpir = fnir = np.empty(0)
    if mated.any() and not mated.all():
        ordered = OrderedScores.of(_scores(searches), mated)
        open_set = _open_set(searches, ordered, draws, resamples, seed, missing)
        fpir, tar = ordered.roc()
        # Without any threshold those are missed whose mate is not the most similar person.
        fnir = np.maximum(1 - tar, np.mean(searches.ranks[mated] != 1))
    else:
        kind = "strangers" if mated.any() else "probes of enrolled people"
        missing += [NotMeasured(fnir_name(rate), f"there are no {kind}") for rate in FPIRS]
    return IdentificationResult(
        protocol=protocol,
        searches=searches,
        subjects=subjects,
        ranks=tuple(ranks),
        open_set=tuple(open_set),
        not_measured=tuple(missing),
        at_threshold=None if threshold is None else rates_at(threshold, searches, draws, resamples, seed),
        cmc=cmc,
        fpir=fpir,
        fnir=fnir,
    )


def _closed_set(
    searches: Searches, draws: PeopleDraws, resamples: int, seed: int, missing: list[NotMeasured]
) -> tuple[list[RankAccuracy], Floats]:
    ranks = searches.ranks[searches.mated]
    if not len(ranks):
        missing += [NotMeasured(f"rank{rank}_accuracy", "there are no probes of enrolled people") for rank in RANKS]
        return [], np.empty(0)
    found = ranks > 0
    measured = []
    for rank in RANKS:
        if rank > 1 and searches.people <= rank:
            reason = f"among {searches.people} people a rank of {rank} says nothing"
            missing.append(NotMeasured(f"rank{rank}_accuracy", reason))
            continue
        right = found & (ranks <= rank)

        def share(generator: np.random.Generator, right: Flags = right) -> float:
            weights = draws.mated(generator)
            return float(weights @ right / weights.sum())

        interval = people_interval(share, float(right.mean()), len(ranks), resamples, seed)
        measured.append(RankAccuracy(rank, float(right.mean()), interval))
    most = min(searches.people, MOST_RANKS)
    cmc = np.cumsum(np.bincount(ranks[found], minlength=most + 1)[1 : most + 1]) / len(ranks)
    return measured, cmc


def _open_set(
    searches: Searches,
    ordered: OrderedScores,
    draws: PeopleDraws,
    resamples: int,
    seed: int,
    missing: list[NotMeasured],
) -> list[FnirAtFpir]:
    strangers = len(ordered.impostor)
    of_strangers = searches.top_similarity[~searches.mated]
    points = []
    for fpir in FPIRS:
        if strangers * fpir < 1 - 1e-9:
            needed = round(1 / fpir)
            missing.append(NotMeasured(fnir_name(fpir), f"{strangers:,} photographs of strangers, {needed:,} needed"))
            continue

        def fnir_of(generator: np.random.Generator, fpir: float = fpir) -> float:
            return 1 - ordered.tar_at_far(fpir, draws.mated(generator), draws.strangers(generator))

        threshold = ordered.threshold_at_far(fpir)
        fnir = float((ordered.genuine < threshold).mean())
        named = int((of_strangers >= threshold).sum())
        points.append(
            FnirAtFpir(
                fpir=fpir,
                fnir=fnir,
                threshold=threshold,
                interval=people_interval(fnir_of, fnir, len(ordered.genuine), resamples, seed),
                reached=named / strangers,
                reached_interval=wilson_interval(named, strangers),
                rough=strangers * fpir < RULE_OF_30,
            )
        )
    return points


def _scores(searches: Searches) -> Floats:
    """The highest threshold at which the right name, or for a stranger any name, is given.

    Where that happens at none, a number below all others, so that midpoints stay finite.
    """
    right = np.where(searches.ranks == 1, searches.mate_similarity, -np.inf)
    scores = np.where(searches.mated, right, searches.rival_similarity)
    never = np.isneginf(scores)
    return np.where(never, scores[~never].min(initial=0.0) - 1, scores)
