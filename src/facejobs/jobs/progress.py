"""How far a running version has come, from what it has uploaded so far: `metrics.jsonl` and `params.json`."""

import json
from dataclasses import dataclass, field
from typing import Any

from facejobs.storage.checkpoint_sync import JOURNAL, PARAMETERS
from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

# The end of the journal is enough: several hundred lines.
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Progress:
    """The newest step and values; `total` steps where the run's parameters tell."""

    step: int = 0
    total: int | None = None
    values: dict[str, float] = field(default_factory=dict)

    def summary(self) -> str:
        """The values people look at, in one line."""
        shown = [f"loss {self.values['loss']:.4f}"] if "loss" in self.values else []
        shown += [f"{name} {value:.4f}" for name, value in self.values.items() if name.endswith("accuracy")]
        if "images_per_second" in self.values:
            shown.append(f"{self.values['images_per_second']:.0f} images/s")
        return "  ".join(shown)


def read_progress(version: ObjectStore, total: int | None = None) -> Progress:
    """The progress of the version folder `version`; pass on the `total` once it is known, to spare a read."""
    journal = version.stat(JOURNAL)
    if journal is None:
        return Progress(total=total)
    start = max(0, journal.size - _TAIL_BYTES)
    try:
        tail = version.read(JOURNAL, start)
    except NotFoundError:
        return Progress(total=total)
    step, values = _newest(tail)
    return Progress(step, total if total is not None else _total_steps(version), values)


def _newest(journal: bytes) -> tuple[int, dict[str, float]]:
    step, values = 0, {}
    for line in journal.splitlines():
        try:
            entry = json.loads(line)
            name, value, at = str(entry["name"]), float(entry["value"]), int(entry["step"])
        except (ValueError, KeyError, TypeError):
            # Cut by where the tail begins, or not a metric.
            continue
        step = max(step, at)
        values[name] = value
    return step, values


def _total_steps(version: ObjectStore) -> int | None:
    try:
        run = json.loads(version.read(PARAMETERS))
        return _steps(run["parameters"], run["data"])
    except (NotFoundError, ValueError, KeyError, TypeError):
        return None


def _steps(parameters: dict[str, Any], data: dict[str, Any]) -> int | None:
    limit = parameters.get("max_steps")
    if "images" not in data:
        return limit
    steps = int(parameters["epochs"]) * (int(data["images"]) // int(parameters["batch_size"]))
    return min(steps, limit) if limit else steps or None
