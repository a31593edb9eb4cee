"""SGD with momentum and Adam over named parameters, with a state that is arrays by name."""

from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import Parameter
from numpy.typing import NDArray

_ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


def decays(name: str) -> bool:
    """Whether weight decay applies: to weights only, never to batch norms, biases and slopes."""
    return name.endswith("weight")


class Optimizer:
    """Updates parameters that may live on several devices, each copy alike."""

    def __init__(self, parameters: dict[str, Parameter], kind: str, momentum: float, weight_decay: float) -> None:
        self._parameters = parameters
        self._adam = kind == "adam"
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._slots = ("mean", "variance") if self._adam else ("momentum",)
        self._state = {
            f"{name}/{slot}": [mx.nd.zeros(data.shape, ctx=data.context) for data in parameter.list_data()]
            for name, parameter in parameters.items()
            for slot in self._slots
        }

    def update(self, step: int, lr: float, gradient_scale: float) -> None:
        """One update; `step` counts from 0 and corrects Adam's bias; gradients are multiplied by `gradient_scale`."""
        for name, parameter in self._parameters.items():
            decay = self._weight_decay if decays(name) else 0.0
            for device, (weight, gradient) in enumerate(zip(parameter.list_data(), parameter.list_grad(), strict=True)):
                state = [self._state[f"{name}/{slot}"][device] for slot in self._slots]
                common = {"wd": decay, "rescale_grad": gradient_scale, "out": weight}
                if self._adam:
                    mx.nd.adam_update(weight, gradient, *state, lr=_corrected(lr, step), **_ADAM, **common)
                else:
                    mx.nd.sgd_mom_update(weight, gradient, *state, lr=lr, momentum=self._momentum, **common)

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays by `parameter/slot`."""
        return {name: copies[0].asnumpy() for name, copies in self._state.items()}

    def load_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from `state()`."""
        for name, copies in self._state.items():
            for copy in copies:
                copy[:] = arrays[name]


def _corrected(lr: float, step: int) -> float:
    """Adam's rate with both bias corrections (Kingma and Ba, 2015, section 2)."""
    return float(lr * np.sqrt(1 - _ADAM["beta2"] ** (step + 1)) / (1 - _ADAM["beta1"] ** (step + 1)))


def reduce_gradients(parameters: dict[str, Parameter], store: Any) -> None:
    """Sum every gradient over the devices, leaving the sum on each."""
    for index, parameter in enumerate(parameters.values()):
        gradients = parameter.list_grad()
        store.push(index, gradients, priority=-index)
        store.pull(index, gradients, priority=-index, ignore_sparse=False)
