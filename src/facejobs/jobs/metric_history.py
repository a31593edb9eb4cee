"""Reads `metrics.jsonl`: the curves of a version, whatever state its job is in.

A journal is read while it is being written and after its writer was killed, so any line may be torn. What is not a
metric line is counted and passed over.
"""

import json
import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

JOURNAL = "metrics.jsonl"


class Direction(Enum):
    """Which of two values of a metric is the better one."""

    HIGHER = 1
    LOWER = -1
    NEITHER = 0


class Point(NamedTuple):
    """One value: after how many steps, in which epoch (from 0), and when (seconds since 1970), where that is known."""

    step: int
    value: float
    epoch: int | None
    time: float | None


@dataclass(frozen=True)
class MetricCurve:
    """The values of one metric by ascending step; at least one. `protocol` says how it was measured, if stated."""

    name: str
    protocol: str | None
    points: tuple[Point, ...]

    @property
    def final(self) -> Point:
        """The last value."""
        return self.points[-1]

    @property
    def best(self) -> Point | None:
        """The best value, the earliest of equals; None where neither high nor low is better."""
        direction = direction_of(self.name)
        if direction is Direction.NEITHER:
            return None
        return max(self.points, key=lambda point: point.value * direction.value)


@dataclass(frozen=True)
class MetricHistory:
    """All curves of a version, in the order in which they first appear."""

    curves: dict[str, MetricCurve] = field(default_factory=dict)
    unreadable_lines: int = 0

    @property
    def last_step(self) -> int | None:
        """The highest step that any metric was written for."""
        return max((curve.final.step for curve in self.curves.values()), default=None)

    @property
    def epochs(self) -> int | None:
        """How many epochs were begun, where the journal says so."""
        begun = [point.epoch for curve in self.curves.values() for point in curve.points if point.epoch is not None]
        return max(begun) + 1 if begun else None


_HIGHER = ("accuracy", "precision", "recall", "f1", "auc")
# What a run sets, or what its machine does: neither a good nor a bad result.
_BOOKKEEPING = ("gradient_norm", "margin", "images_per_second", "lr", "deviation")
_LOWER = ("loss", "error", "error_rate", "eer", "fnmr", "fmr", "fnir", "fpir")
# How a detector's metric ends: which faces it counts, and the scale at which photographs were shown.
_FACES_AND_SCALE = re.compile(r"(_\d+px)?_(original|multi|short-\d+|unstated)$")


def direction_of(name: str) -> Direction:
    """Which way a metric improves, by its name: the last word (`lfw_accuracy`, `box_loss`), tar_at_far, ap_easy.

    Which faces were counted and the test scale, with which a detector's metrics end (`recall_20px_original`), say
    nothing of it.
    """
    if is_bookkeeping(name):
        return Direction.NEITHER
    if "fnir_at_fpir" in name:
        return Direction.LOWER
    if "tar_at_far" in name or "average_precision" in name or name.startswith("ap_") or "_ap_" in name:
        return Direction.HIGHER
    measure = _FACES_AND_SCALE.sub("", name)
    if _ends_with(measure, _HIGHER):
        return Direction.HIGHER
    return Direction.LOWER if _ends_with(measure, _LOWER) or "landmark_error" in measure else Direction.NEITHER


def is_bookkeeping(name: str) -> bool:
    """Whether a metric says how a run went (its learning rate, its speed) and not how good the result is."""
    return _ends_with(name, _BOOKKEEPING)


def metric_rank(name: str, protocol: str | None) -> int:
    """How much a metric says of a model, 0 most: what listings show of a version and verdicts rest on.

    An accuracy that states its protocol was measured on data that was not trained on; so was FNIR at FPIR. After them
    come what else states one, other accuracies, other metrics of which more is better, the rest, and bookkeeping.
    """
    if is_bookkeeping(name):
        return 5
    accuracy = _ends_with(name, ("accuracy",)) or "fnir_at_fpir" in name
    if protocol is not None:
        return 0 if accuracy else 1
    if accuracy:
        return 2
    return 3 if direction_of(name) is Direction.HIGHER else 4


def _ends_with(name: str, words: tuple[str, ...]) -> bool:
    return any(name == word or name.endswith(f"_{word}") for word in words)


def read_history(store: ObjectStore) -> MetricHistory:
    """The journal in a version folder; an empty history where none is written yet."""
    try:
        return parse_journal(store.read(JOURNAL))
    except NotFoundError:
        return MetricHistory()


def parse_journal(data: bytes) -> MetricHistory:
    """Parse journal lines; never raises.

    Of several values for one step the last one counts: a resumed run makes its steps again. Of several protocols
    only the last one's values are kept, so that a curve is never of two kinds. A torn last line is normal in a job that
    runs and is not counted as unreadable.
    """
    *whole, torn = data.decode("utf-8", errors="replace").split("\n")
    lines = [line for line in whole if line.strip()]
    parsed = [_parse(line) for line in lines]
    unreadable = parsed.count(None)
    last = _parse(torn)
    values: dict[str, dict[int, tuple[str | None, Point]]] = {}
    for item in (*parsed, last):
        if item is not None:
            name, protocol, point = item
            values.setdefault(name, {})[point.step] = (protocol, point)
    return MetricHistory({name: _curve(name, by_step) for name, by_step in values.items()}, unreadable)


def _curve(name: str, by_step: dict[int, tuple[str | None, Point]]) -> MetricCurve:
    ordered = [by_step[step] for step in sorted(by_step)]
    protocol = ordered[-1][0]
    return MetricCurve(name, protocol, tuple(point for its_protocol, point in ordered if its_protocol == protocol))


def _parse(line: str) -> tuple[str, str | None, Point] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    name, step, value = entry.get("name"), entry.get("step"), _number(entry.get("value"))
    if not isinstance(name, str) or not isinstance(step, int) or isinstance(step, bool) or value is None:
        return None
    epoch, protocol = entry.get("epoch"), entry.get("protocol")
    return (
        name,
        protocol if isinstance(protocol, str) else None,
        Point(step, value, epoch if isinstance(epoch, int) else None, _number(entry.get("time"))),
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
