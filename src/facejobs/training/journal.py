"""The metrics journal: `metrics.jsonl`, one JSON object a line, readable while the job runs."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO


class MetricLines(Protocol):
    """Takes named values of a step."""

    def write(self, step: int, epoch: int, values: Mapping[str, float], **details: Any) -> None:
        """One line for each named value."""

    def close(self) -> None:
        """Nothing is written afterwards."""


class Unwritten:
    """The journal of a worker that is not the first: all workers have the same numbers."""

    def write(self, step: int, epoch: int, values: Mapping[str, float], **details: Any) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Journal:
    """Appends `{step, epoch, name, value, time}` lines; a metric may carry more keys (protocol, interval)."""

    def __init__(self, path: Path, resume_step: int) -> None:
        """Open `path`, dropping lines after `resume_step`: those steps will be made, and written, again."""
        self._forget_after(path, resume_step)
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)

    @staticmethod
    def _forget_after(path: Path, step: int) -> None:
        if not path.exists():
            return
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        os.replace(temporary, path)  # noqa: PTH105

    def write(self, step: int, epoch: int, values: Mapping[str, float], **details: Any) -> None:
        """One line for each named value."""
        now = round(time.time(), 3)
        for name, value in values.items():
            line = {"step": step, "epoch": epoch, "name": name, "value": value, "time": now, **details}
            self._file.write(json.dumps(line, allow_nan=False) + "\n")

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # A line cut short by a kill belongs to no step that is kept.
        return float("inf")
