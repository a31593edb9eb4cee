"""Learning-rate schedules with a linear warm-up. A schedule is a pure function of the step, except `plateau`."""

import math
from dataclasses import dataclass
from typing import Any

from facejobs.training.parameters import Parameters


@dataclass
class Plateau:
    """Divides the rate when the watched metric stops rising; the only schedule with a memory."""

    decay: float
    patience: int
    factor: float = 1.0
    best: float = -math.inf
    waited: int = 0

    def observe(self, value: float) -> None:
        """Take one evaluation of the watched metric (higher is better)."""
        if value > self.best:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.factor *= self.decay
            self.waited = 0


class Schedule:
    """The learning rate of every step of a run of `total_steps` steps."""

    def __init__(self, parameters: Parameters, total_steps: int) -> None:
        self._parameters = parameters
        self._total = total_steps
        self._plateau = Plateau(parameters.lr_decay, parameters.plateau_patience)

    def rate(self, step: int) -> float:
        """Learning rate for 0-based `step`."""
        parameters = self._parameters
        if step < parameters.warmup_steps:
            return parameters.lr * (step + 1) / parameters.warmup_steps
        return parameters.lr * self._factor(step)

    def _factor(self, step: int) -> float:
        parameters = self._parameters
        done = (step - parameters.warmup_steps) / max(1, self._total - parameters.warmup_steps)
        match parameters.schedule:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
            case "linear":
                return max(0.0, 1 - done)
            case "step":
                passed = sum(step >= fraction * self._total for fraction in parameters.lr_steps)
                return float(parameters.lr_decay**passed)
            case "plateau":
                return self._plateau.factor
            case _:
                return 1.0

    def observe(self, value: float) -> None:
        """Tell the schedule an evaluation's watched metric."""
        if self._parameters.schedule == "plateau":
            self._plateau.observe(value)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: empty for schedules without memory."""
        if self._parameters.schedule != "plateau":
            return {}
        best = None if math.isinf(self._plateau.best) else self._plateau.best
        return {"factor": self._plateau.factor, "best": best, "waited": self._plateau.waited}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        if state:
            self._plateau.factor, self._plateau.waited = state["factor"], state["waited"]
            self._plateau.best = -math.inf if state["best"] is None else state["best"]
