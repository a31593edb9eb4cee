"""A least-squares engine in numpy: small enough to run the loop thousands of steps a second."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from facejobs.training.engine import StepOutcome

# Lets the tests of this folder import what they share.
sys.path.insert(0, str(Path(__file__).parent))


@dataclass
class ToyBatch:
    inputs: np.ndarray
    targets: np.ndarray


class ToyBatches:
    steps_per_epoch = 7

    def start(self, step: int) -> Iterator[ToyBatch]:
        while True:
            rng = np.random.default_rng(step)
            inputs = rng.normal(size=(8, 4))
            yield ToyBatch(inputs, inputs @ np.array([1.0, -2.0, 3.0, 0.5]))
            step += 1


class ToyEngine:
    def __init__(self, nan_at: int | None = None) -> None:
        self.weight = np.zeros(4)
        self.momentum = np.zeros(4)
        self.gradient = np.zeros(4)
        self._nan_at = nan_at

    def step(self, batch: ToyBatch, step: int, lr: float, progress: float) -> StepOutcome:
        error = batch.inputs @ self.weight - batch.targets
        self.gradient = batch.inputs.T @ error / len(error)
        loss = float("nan") if step == self._nan_at else float(error @ error)
        if np.isfinite(loss):
            self.momentum = 0.9 * self.momentum - lr * self.gradient
            self.weight = self.weight + self.momentum
        return StepOutcome(loss, float(np.linalg.norm(self.gradient)), {"accuracy": 0.0})

    def gradient_norms(self) -> dict[str, float]:
        return {"weight": float(np.linalg.norm(self.gradient))}

    def state(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight.copy(), "momentum": self.momentum.copy()}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        self.weight, self.momentum = arrays["weight"].copy(), arrays["momentum"].copy()


@pytest.fixture
def toy_engine() -> type[ToyEngine]:
    return ToyEngine


@pytest.fixture
def toy_batches() -> ToyBatches:
    return ToyBatches()
