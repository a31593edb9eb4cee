"""The metrics of an evaluation as `metrics.jsonl`, as training writes it, so that an evaluation is a version too."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

METRICS_NAME = "metrics.jsonl"


def write_metrics(folder: Path, metrics: Iterable[dict[str, Any]]) -> None:
    """Write one line for each metric (name, value, protocol, interval), all of step 0."""
    now = round(time.time(), 3)
    lines = [json.dumps({"step": 0, "time": now, **metric}, allow_nan=False) + "\n" for metric in metrics]
    (folder / METRICS_NAME).write_text("".join(lines), encoding="utf-8")
