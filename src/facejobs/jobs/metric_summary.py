"""The last and the best value of each metric of a version: what listings, `JOB@best:METRIC` and the index keep."""

from pydantic import BaseModel, ConfigDict

from facejobs.jobs.metric_history import Direction, MetricCurve, MetricHistory, direction_of, read_history
from facejobs.storage.store import ObjectStore


class MetricSummary(BaseModel):
    """One metric over a run; `best` is None where neither high nor low is better, as with a learning rate."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    last: float
    last_step: int
    best: float | None
    best_step: int | None
    values: int
    protocol: str | None = None


def read_metrics(store: ObjectStore) -> dict[str, MetricSummary]:
    """Every metric of a version folder in the order of first appearance; empty if there is no journal yet."""
    return summarise_metrics(read_history(store))


def summarise_metrics(history: MetricHistory) -> dict[str, MetricSummary]:
    """Last and best of each metric."""
    return {name: _summary(curve) for name, curve in history.curves.items()}


def _summary(curve: MetricCurve) -> MetricSummary:
    best = curve.best
    return MetricSummary(
        name=curve.name,
        last=curve.final.value,
        last_step=curve.final.step,
        best=best.value if best else None,
        best_step=best.step if best else None,
        values=len(curve.points),
        protocol=curve.protocol,
    )


def rank_value(metric: MetricSummary) -> float:
    """A number that is higher for a better run: the best value, negated where less is better.

    A name that does not say which way it improves counts as better when higher.
    """
    value = metric.last if metric.best is None else metric.best
    return -value if direction_of(metric.name) is Direction.LOWER else value
