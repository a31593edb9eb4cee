"""Two recognisers on the same probes: a paired bootstrap over people, and who got better and worse."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.jobs.comparison.search_record import SearchRecord
from facejobs.jobs.comparison.significance import PairedBootstrap, interval_and_p

PEOPLE_RESAMPLES = 2_000
RANK1 = "rank1_accuracy"
_SEED = 0
_MOST_AT_ONCE = 4_000_000

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class PersonChange:
    """How many of a person's `probes` returned the right name in either version."""

    person: str
    probes: int
    first: int
    other: int


@dataclass(frozen=True)
class PeopleChange:
    """The people who got better and worse, the largest changes first, and how many did not change.

    Each version names at its own threshold, the one where its FPIR is at most `fpir`; where that is None there were no
    strangers to choose one by, and the most similar person is named.
    """

    protocol: str
    fpir: float | None
    better: tuple[PersonChange, ...]
    worse: tuple[PersonChange, ...]
    unchanged: int


def compare_searches(
    first: SearchRecord, other: SearchRecord, resamples: int = PEOPLE_RESAMPLES
) -> list[PairedBootstrap]:
    """Compare two recognisers: FNIR at the headline's FPIR, and rank-1 accuracy; none of other or of no probes.

    People are drawn with replacement, strangers apart, each with all of their probes, and both thresholds are chosen
    anew. Raises ValueError if the protocols differ.
    """
    if first.protocol != other.protocol:
        raise ValueError(f"searches for other probes: {first.protocol} and {other.protocol}")
    if not first.same_probes(other) or not first.mated.any():
        return []
    found = []
    for point, its_other in zip(first.points[:1], other.points[:1], strict=False):
        if point.metric == its_other.metric:
            values = (point.value, its_other.value)
            fnir = _FnirAt(point.fpir)
            found.append(
                _bootstrap(first, other, fnir, point.metric, f"FNIR at FPIR {point.fpir:g}", values, resamples)
            )
    mated = first.mated
    shares = [float(np.mean(record.right[mated] > -np.inf)) for record in (first, other)]
    values = (shares[0], shares[1])
    found.append(_bootstrap(first, other, _rank1_accuracy, RANK1, "rank-1 accuracy", values, resamples))
    return found


def changed_people(first: SearchRecord, other: SearchRecord) -> PeopleChange | None:
    """Who is found more often, or less often; None for searches of other probes or at other FPIRs."""
    if not first.same_probes(other) or not first.mated.any():
        return None
    points = first.points[:1], other.points[:1]
    if [point.metric for point in points[0]] != [point.metric for point in points[1]]:
        return None
    mated = np.flatnonzero(first.mated)
    names, place = np.unique([first.persons[number] or "" for number in mated], return_inverse=True)
    probes = np.bincount(place)
    right = [
        np.bincount(place, record.right[mated] >= _threshold(record), minlength=len(names)).astype(np.int64)
        for record in (first, other)
    ]
    changes = [
        PersonChange(str(name), int(probes[at]), int(right[0][at]), int(right[1][at])) for at, name in enumerate(names)
    ]
    ordered = sorted(changes, key=lambda one: (-abs(one.other - one.first) / one.probes, one.person))
    return PeopleChange(
        protocol=first.protocol,
        fpir=points[0][0].fpir if points[0] else None,
        better=tuple(one for one in ordered if one.other > one.first),
        worse=tuple(one for one in ordered if one.other < one.first),
        unchanged=sum(one.other == one.first for one in changes),
    )


def _threshold(record: SearchRecord) -> float:
    # The lowest number is at most every similarity, and more than the -inf of what was not found.
    return record.points[0].threshold if record.points else float(np.finfo(np.float64).min)


Statistic = Callable[[SearchRecord, Counts, Counts], NDArray[np.float64]]


def _bootstrap(
    first: SearchRecord,
    other: SearchRecord,
    statistic: Statistic,
    metric: str,
    told: str,
    values: tuple[float, float],
    resamples: int,
) -> PairedBootstrap:
    generator = np.random.default_rng(_SEED)
    mated = first.mated
    of_mated, of_strangers = (np.unique(first.subjects[which], return_inverse=True)[1] for which in (mated, ~mated))
    at_once = max(1, _MOST_AT_ONCE // len(mated))
    parts = []
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        weights = [_draw(generator, subjects, draws) for subjects in (of_mated, of_strangers)]
        parts.append(statistic(other, weights[0], weights[1]) - statistic(first, weights[0], weights[1]))
    low, high, p = interval_and_p(np.concatenate(parts))
    return PairedBootstrap(
        metric=metric,
        told=told,
        set_name="query",
        protocol=first.protocol,
        units="people",
        count=len(np.unique(first.subjects)),
        first=values[0],
        other=values[1],
        difference=values[1] - values[0],
        low=low,
        high=high,
        p=p,
        resamples=resamples,
    )


def _draw(generator: np.random.Generator, subjects: Counts, draws: int) -> Counts:
    """How often each probe is drawn (draws, P) where their subjects are drawn with replacement."""
    if not len(subjects):
        return np.zeros((draws, 0), np.int64)
    people = int(subjects.max()) + 1
    counts: Counts = generator.multinomial(people, np.full(people, 1 / people), size=draws)[:, subjects]
    return counts


@dataclass(frozen=True)
class _FnirAt:
    fpir: float

    def __call__(self, record: SearchRecord, of_mated: Counts, of_strangers: Counts) -> NDArray[np.float64]:
        """FNIR (R,) at the lowest thresholds whose FPIR is at most `fpir`, for (R, P) drawn probes of either kind."""
        strangers = record.wrong[~record.mated]
        order = np.argsort(-strangers, kind="stable")
        named = np.cumsum(of_strangers[:, order], axis=1)
        too_many = named > self.fpir * named[:, -1:] * (1 + 1e-9)
        limit = strangers[order][too_many.argmax(axis=1)]
        missed = record.right[record.mated] <= limit[:, None]
        rate: NDArray[np.float64] = (missed * of_mated).sum(axis=1) / of_mated.sum(axis=1)
        return rate


def _rank1_accuracy(record: SearchRecord, of_mated: Counts, _: Counts) -> NDArray[np.float64]:
    found = record.right[record.mated] > -np.inf
    share: NDArray[np.float64] = of_mated @ found / of_mated.sum(axis=1)
    return share
