"""Notices a loss that is no number or explodes, and writes what is needed to look into it."""

import json
import math
from collections import deque
from pathlib import Path
from typing import Any

from facejobs.training.engine import StepOutcome

_EXPLOSION = 10.0
_AVERAGING = 0.98
_SETTLING_STEPS = 20


class DivergenceWatch:
    """Keeps a running mean of the loss; a loss ten times above it has exploded."""

    def __init__(self) -> None:
        self.mean: float | None = None
        self.seen = 0
        self.recent: deque[float] = deque(maxlen=50)

    def verdict(self, outcome: StepOutcome) -> str | None:
        """Why this step is not usable, or None."""
        self.recent.append(outcome.loss)
        if not math.isfinite(outcome.loss):
            return f"the loss is {outcome.loss}"
        if not math.isfinite(outcome.gradient_norm):
            return f"the gradient norm is {outcome.gradient_norm}"
        if self.mean is not None and self.seen >= _SETTLING_STEPS and outcome.loss > _EXPLOSION * max(self.mean, 1.0):
            return (
                f"the loss rose to {outcome.loss:.4g}, more than {_EXPLOSION:g} times its running mean {self.mean:.4g}"
            )
        self.mean = outcome.loss if self.mean is None else _AVERAGING * self.mean + (1 - _AVERAGING) * outcome.loss
        self.seen += 1
        return None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"mean": self.mean, "seen": self.seen}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        self.mean, self.seen = state["mean"], state["seen"]


def write_report(path: Path, facts: dict[str, Any]) -> None:
    """Write the facts of a diverged step as JSON; numbers that JSON lacks become text."""
    path.write_text(json.dumps(_plain(facts), indent=1), encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
