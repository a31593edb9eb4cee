"""What a version's `metrics.jsonl` says in the end: the last and the best value of each metric."""

import json
import math
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

METRICS = "metrics.jsonl"
_LOWER_IS_BETTER = ("loss", "error", "fnir", "eer", "fmr", "fnmr")


class MetricSummary(BaseModel):
    """One metric over a run; the best is the lowest value where `lower_is_better`, else the highest."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    lower_is_better: bool
    last: float
    last_step: int
    best: float
    best_step: int
    values: int
    protocol: Any = None


def lower_is_better(name: str) -> bool:
    """Whether less is better: the name holds a word such as loss, error, eer, fnir."""
    words = name.lower().replace("-", "_").replace("@", "_").split("_")
    return any(word in _LOWER_IS_BETTER for word in words) or name.lower().endswith(("loss", "error"))


def read_metrics(store: ObjectStore) -> dict[str, MetricSummary]:
    """Every metric of a version folder in the order of first appearance; empty if there is no journal yet."""
    try:
        data = store.read(METRICS)
    except NotFoundError:
        return {}
    return summarise_metrics(data)


def summarise_metrics(journal: bytes) -> dict[str, MetricSummary]:
    """Last and best of each metric; a line that is cut short or is no metric is passed over."""
    found: dict[str, MetricSummary] = {}
    for name, step, value, protocol in _points(journal):
        lower = lower_is_better(name)
        before = found.get(name)
        best, best_step = (value, step) if before is None else (before.best, before.best_step)
        if value < best if lower else value > best:
            best, best_step = value, step
        found[name] = MetricSummary.model_construct(
            name=name,
            lower_is_better=lower,
            last=value,
            last_step=step,
            best=best,
            best_step=best_step,
            values=before.values + 1 if before else 1,
            protocol=protocol,
        )
    return found


def _points(journal: bytes) -> Iterator[tuple[str, int, float, Any]]:
    for line in journal.splitlines():
        try:
            item = json.loads(line)
            name, step, value = item["name"], item["step"], item["value"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        numbers = isinstance(value, int | float) and isinstance(step, int) and not isinstance(value, bool)
        if isinstance(name, str) and numbers and math.isfinite(value):
            yield name, step, float(value), item.get("protocol")
