"""What the steps of several workers come to, part by part of a batch."""

from collections.abc import Callable
from typing import Any

import numpy as np

from facejobs.engines.mxnet.runtime import load_mxnet
from facejobs.engines.mxnet.training_engine import TrainingEngine

mx = load_mxnet()


def step_on_parts(engine: TrainingEngine, parts: list[np.ndarray], loss_of_part: Callable[[np.ndarray], Any]) -> None:
    """Leave the sum of the parts' gradients, and the mean of the running statistics each part leads to."""
    trained = engine._trained
    running = {n: p for n, p in engine._named.items() if n.endswith(("running_mean", "running_var"))}
    before = {name: parameter.data().asnumpy() for name, parameter in running.items()}
    gradients = {name: np.zeros(parameter.shape, np.float32) for name, parameter in trained.items()}
    after = {name: np.zeros_like(array) for name, array in before.items()}
    for part in parts:
        for name, parameter in running.items():
            parameter.set_data(mx.nd.array(before[name]))
        with mx.autograd.record():
            loss = loss_of_part(part)
        loss.backward()
        for name, parameter in trained.items():
            gradients[name] += parameter.grad().asnumpy()
        for name, parameter in running.items():
            after[name] += parameter.data().asnumpy() / len(parts)
    for name, parameter in trained.items():
        parameter.grad()[:] = gradients[name]
    for name, parameter in running.items():
        parameter.set_data(mx.nd.array(after[name]))
