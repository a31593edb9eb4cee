"""One row for each metric: final and best values, differences against the first version, or why there are none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from facejobs.jobs.comparison.changes import Change
from facejobs.jobs.comparison.formatting import listed
from facejobs.jobs.comparison.noise import SeedBand, seed_band
from facejobs.jobs.comparison.run import Aspect, Run
from facejobs.jobs.metric_history import Direction, MetricCurve, Point, direction_of, metric_rank

_FINGERPRINT = re.compile(r"[0-9a-f]{8,}")
_FOLDS = re.compile(r"\d+-fold")
# A loss under other values of these is on another scale.
_LOSS_PARAMETERS = ("loss", "margin", "scale", "margin_ramp")


@dataclass(frozen=True)
class Cell:
    """A metric in one version; the differences are against the first version and None in that one.

    `not_compared` says why a difference is not given though both versions have the metric. `band` is what the
    seed alone does to the best value.
    """

    final: Point | None = None
    best: Point | None = None
    final_difference: float | None = None
    best_difference: float | None = None
    not_compared: str = ""
    band: SeedBand | None = None

    @property
    def in_band(self) -> bool:
        """Whether the difference of the best values is noise."""
        return self.band is not None and self.best_difference is not None and self.band.covers(self.best_difference)


@dataclass(frozen=True)
class MetricRow:
    """A metric in all versions, in their order. `protocol` is that of the first version that has the metric."""

    name: str
    protocol: str | None
    direction: Direction
    cells: tuple[Cell, ...]


def metric_rows(
    runs: Sequence[Run], changed: Sequence[Sequence[Change]], groups: Sequence[Sequence[Run]]
) -> list[MetricRow]:
    """Rows for every metric of any version: what says most of a model first, then in the order of the journals.

    `changed[i]` is what differs between the first version and run i, `groups[i]` the versions that share everything
    but the seed with run i.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.history.curves))
    rows = [_row(name, runs, changed, groups) for name in names]
    return sorted(rows, key=lambda row: metric_rank(row.name, row.protocol))


def _row(
    name: str, runs: Sequence[Run], changed: Sequence[Sequence[Change]], groups: Sequence[Sequence[Run]]
) -> MetricRow:
    curves = [run.history.curves.get(name) for run in runs]
    protocol = next((curve.protocol for curve in curves if curve is not None), None)
    cells = []
    for position, curve in enumerate(curves):
        if curve is None:
            cells.append(Cell())
        elif position == 0 or curves[0] is None:
            cells.append(Cell(curve.final, curve.best))
        else:
            band = seed_band(name, curve.protocol, [groups[0], groups[position]])
            cells.append(_compared(curves[0], curve, changed[position], band))
    return MetricRow(name, protocol, direction_of(name), tuple(cells))


def _compared(first: MetricCurve, other: MetricCurve, changed: Sequence[Change], band: SeedBand | None) -> Cell:
    reason = why_not_compared(first, other, changed)
    if reason:
        return Cell(other.final, other.best, not_compared=reason)
    best = None if first.best is None or other.best is None else other.best.value - first.best.value
    return Cell(other.final, other.best, other.final.value - first.final.value, best, band=band)


def why_not_compared(first: MetricCurve, other: MetricCurve, changed: Sequence[Change]) -> str:
    """Why two curves of one name are not of the same quantity; empty if they are."""
    if first.protocol != other.protocol:
        return _protocols_differ(first.protocol, other.protocol)
    if first.protocol is not None:
        return ""
    for change in changed:
        if change.fact.aspect is Aspect.INPUT:
            return f"measured on the training data itself, and {change.fact} differs"
    defining = _LOSS_PARAMETERS if first.name == "loss" or first.name.endswith("_loss") else (first.name,)
    parameters = [change.fact.name for change in changed if change.fact.aspect is Aspect.PARAMETER]
    differing = [name for name in parameters if name in defining]
    if not differing:
        return ""
    told = f"s {listed(differing)} differ" if len(differing) > 1 else f" {differing[0]} differs"
    return f"the parameter{told}, so that it is another quantity"


def _protocols_differ(first: str | None, other: str | None) -> str:
    if first is None or other is None:
        return f"measured under the protocol {first or other} in one version and under an unstated one in the other"
    parts = list(zip(first.split(":"), other.split(":"), strict=False))
    differing = [_part(one, two) for one, two in parts if one != two]
    if first.count(":") != other.count(":") or not differing:
        differing = ["another procedure"]
    both = f"{first} and {other}"
    return f"measured under different protocols: {'; '.join(differing)}{f' ({both})' if differing != [both] else ''}"


def _part(first: str, other: str) -> str:
    if _FINGERPRINT.fullmatch(first) and _FINGERPRINT.fullmatch(other):
        return "other pairs or images"
    if _FOLDS.fullmatch(first) and _FOLDS.fullmatch(other):
        return "another number of folds"
    return f"{first} and {other}"
