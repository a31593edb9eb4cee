"""A training that takes two seconds: facejobs' own loop, checkpoints and run folder around a net of four weights.

python tiny_training.py OUTPUT [--steps N] [--pause SECONDS]
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facejobs.training.engine import StepOutcome
from facejobs.training.loop import TrainingLoop
from facejobs.training.parameters import Parameters
from facejobs.training.run_folder import RunFolder


class Batches:
    steps_per_epoch = 7

    def start(self, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            inputs = np.random.default_rng(step).normal(size=(8, 4))
            yield inputs, inputs @ np.array([1.0, -2.0, 3.0, 0.5])
            step += 1


class LeastSquares:
    def __init__(self, pause: float) -> None:
        self._arrays = {"weight": np.zeros(4), "momentum": np.zeros(4)}
        self._pause = pause

    def step(self, batch: tuple[np.ndarray, np.ndarray], step: int, lr: float, progress: float) -> StepOutcome:
        time.sleep(self._pause)
        inputs, targets = batch
        error = inputs @ self._arrays["weight"] - targets
        gradient = inputs.T @ error / len(error)
        self._arrays["momentum"] = 0.9 * self._arrays["momentum"] - lr * gradient
        self._arrays["weight"] = self._arrays["weight"] + self._arrays["momentum"]
        return StepOutcome(float(error @ error), float(np.linalg.norm(gradient)), {"accuracy": 0.5})

    def gradient_norms(self) -> dict[str, float]:
        return {}

    def state(self) -> dict[str, np.ndarray]:
        return dict(self._arrays)

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = dict(arrays)


def publish(folder: RunFolder, engine: LeastSquares) -> None:
    temporary = folder.path / ".model-writing"
    temporary.mkdir(exist_ok=True)
    np.savez(temporary / "weights.npz", **engine.state())
    (temporary / "model.json").write_text(json.dumps({"weights": 4}))
    temporary.rename(folder.model)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--pause", type=float, default=0.02)
    arguments = parser.parse_args()
    parameters = Parameters(max_steps=arguments.steps, epochs=1000, checkpoint_every=4, lr=0.01, warmup_steps=2)
    with RunFolder(arguments.output, "tiny", parameters, {"fingerprint": "tiny"}) as folder:
        if folder.complete:
            return 0
        folder.record({})
        engine = LeastSquares(arguments.pause)
        loop = TrainingLoop(
            engine, Batches(), parameters, folder, evaluate=lambda check, progress: [], describe=lambda batch: {}
        )  # fmt: skip
        if loop.run().stopped_by_signal:
            return 75
        publish(folder, engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
