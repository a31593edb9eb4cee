"""How far the seed alone moves a metric: the band in which a difference says nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facejobs.jobs.comparison.changes import causes, changes, is_seed
from facejobs.jobs.comparison.run import SEED, Run
from facejobs.jobs.metric_history import MetricCurve


@dataclass(frozen=True)
class SeedGroup:
    """Finished versions that share everything but the seed, and the best value of the metric in each."""

    versions: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Highest minus lowest value."""
        return max(self.values) - min(self.values)


@dataclass(frozen=True)
class SeedBand:
    """The wider spread of the groups on either side of a comparison; each has at least two versions."""

    groups: tuple[SeedGroup, ...]

    @property
    def size(self) -> float:
        """How far apart two versions may be by the seed alone, as far as seen."""
        return max(group.spread for group in self.groups)

    @property
    def runs(self) -> int:
        """How many versions it was seen in."""
        return len({version for group in self.groups for version in group.versions})

    def covers(self, difference: float) -> bool:
        """Whether a difference is inside the band, its edges included (up to rounding of the last digit)."""
        return abs(difference) <= self.size * (1 + 1e-9)


def only_seed_differs(first: Run, other: Run) -> bool:
    """Whether two versions share everything that may be a cause, but not the seed."""
    found = changes(first, other)
    return not causes(found) and any(is_seed(change.fact) for change in found)


def seed_group(run: Run, others: Iterable[Run]) -> list[Run]:
    """`run` and those of `others` that differ from it in the seed alone, finished, one for each seed."""
    group: list[Run] = [run] if run.finished else []
    seeds = {str(_seed(run))} if run.finished else set()
    for candidate in others:
        if candidate.finished and str(_seed(candidate)) not in seeds and only_seed_differs(run, candidate):
            group.append(candidate)
            seeds.add(str(_seed(candidate)))
    return group


def seed_band(metric: str, protocol: str | None, groups: Sequence[Sequence[Run]]) -> SeedBand | None:
    """The band of a metric, or None where no group has two versions that measured it under this protocol."""
    measured: list[SeedGroup] = []
    for group in groups:
        values = [
            (run.version, best)
            for run in group
            if (best := _best(run.history.curves.get(metric), protocol)) is not None
        ]
        known = [set(each.versions) for each in measured]
        if len(values) > 1 and {version for version, _ in values} not in known:
            versions, numbers = zip(*sorted(values), strict=True)
            measured.append(SeedGroup(versions, numbers))
    return SeedBand(tuple(measured)) if measured else None


def _best(curve: MetricCurve | None, protocol: str | None) -> float | None:
    if curve is None or curve.protocol != protocol or curve.best is None:
        return None
    return curve.best.value


def _seed(run: Run) -> object:
    return {**(run.resolved or {}), **run.given}.get(SEED)
