"""An engine whose steps only count: what a run around it does is what matters."""

from typing import Any

import numpy as np

from facejobs.training.engine import StepOutcome
from facejobs.training.errors import ParameterError
from facejobs.training.parameters import Parameters


class CountingEngine:
    """A step counts, and dies where it is told to."""

    dies_at: int | None = None

    def __init__(self, parameters: Parameters, *_: Any) -> None:
        if parameters.init:
            raise ParameterError("--init: there is no such file")
        self.count = np.zeros(1)

    def step(self, batch: Any, step: int, lr: float, progress: float) -> StepOutcome:
        if step == self.dies_at:
            raise KeyboardInterrupt
        self.count += 1
        return StepOutcome(1.0, 1.0, {"accuracy": 0.0})

    def gradient_norms(self) -> dict[str, float]:
        return {}

    def state(self) -> dict[str, np.ndarray]:
        return {"count": self.count.copy()}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        self.count = arrays["count"].copy()

    def export(self, folder: Any) -> None:
        (folder / "model.onnx").write_bytes(b"graph")
