"""What every task's training engine on MXNet shares: devices, weights, joint gradients, the update, and the state."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from numpy.typing import NDArray

from facejobs.engines.mxnet.device import resolve_devices
from facejobs.engines.mxnet.exchange import Exchange
from facejobs.engines.mxnet.optimizer import Optimizer, reduce_gradients
from facejobs.engines.mxnet.weights import named_parameters, read_weights
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.errors import CheckpointError
from facejobs.training.parameters import Parameters

log = logging.getLogger(__name__)

_STATIC = {"static_alloc": True, "static_shape": True}
# Far apart, so that no worker draws in one step what another draws in some other step.
_RANK_STRIDE = 1_000_000_007


class TrainingEngine:
    """Trains on one or more MXNet devices, alone or as one worker of several; a subclass adds net and step."""

    net: nn.HybridBlock

    def __init__(self, parameters: Parameters, devices: list[mx.Context] | None, group: WorkerGroup | None) -> None:
        """Find the devices and seed the weights that are drawn next; raises DeviceError."""
        self._devices = devices or resolve_devices(parameters.gpus)
        self._parameters, self._group = parameters, group
        self._rank = 0 if group is None else group.rank
        # What the sum of the batch's losses is multiplied by; the gradients of the sum are kept as they are.
        self._scale = 1.0
        mx.random.seed(parameters.seed)
        np.random.seed(parameters.seed)

    def _prepare(
        self, training_net: nn.HybridBlock, blocks: dict[str, nn.HybridBlock], image_size: int, measures: int
    ) -> None:
        """Draw or load the weights of `training_net`, whose parameters are those of `blocks`, and make the optimiser.

        Each step joins `measures` numbers. Raises ParameterError for `--init`.
        """
        parameters = self._parameters
        self._training_net = training_net
        training_net.initialize(ctx=self._devices)
        training_net.hybridize(**_STATIC)
        self._settle_shapes(image_size)
        self._named = named_parameters(blocks)
        if parameters.init:
            self._load_initial(Path(parameters.init))
        self._trained = {n: p for n, p in self._named.items() if p.grad_req != "null"}
        self._optimizer = Optimizer(self._trained, parameters.optimizer, parameters.momentum, parameters.weight_decay)
        group = self._group
        self._exchange = Exchange(self._named, group, measures) if group is not None and group.size > 1 else None
        self._store = self._gradient_store() if self._exchange is None else None

    def _settle_shapes(self, image_size: int) -> None:
        """One predict-mode pass, so that parameters whose shape depends on the input get one."""
        for device in self._devices:
            self.net(mx.nd.zeros((1, 3, image_size, image_size), ctx=device))
        mx.nd.waitall()

    def _load_initial(self, path: Path) -> None:
        wanted = {n: p.shape for n, p in self._named.items() if n.startswith("net/")}
        arrays = read_weights(path, wanted)
        for name, array in arrays.items():
            self._named[name].set_data(mx.nd.array(array))
        log.info("%d of %d arrays of the net start from %s", len(arrays), len(wanted), path)

    def _gradient_store(self) -> Any:
        if len(self._devices) == 1:
            return None
        store = mx.kv.create("device" if self._devices[0].device_type == "gpu" else "local")
        for index, parameter in enumerate(self._trained.values()):
            store.init(index, parameter.list_data()[0])
        return store

    def _seed_step(self, step: int) -> None:
        mx.random.seed((self._parameters.seed * 1_000_003 + step + self._rank * _RANK_STRIDE) % 2**31)

    def _parts(self, count: int) -> Iterator[tuple[mx.Context, slice]]:
        """Each device and its part of `count` images."""
        edges = [count * i // len(self._devices) for i in range(len(self._devices) + 1)]
        for device, first, end in zip(self._devices, edges, edges[1:], strict=False):
            yield device, slice(first, end)

    def _backward(self, losses: list[Any], measures: Sequence[list[Any]]) -> list[float]:
        """Leave the joint gradients of the sum of `losses`; returns the joint sum of each of `measures`.

        `losses` and every measure are one array a device; joint is over devices and workers.
        """
        mx.autograd.backward(losses)
        if self._store is not None:
            reduce_gradients(self._trained, self._store)
        sums = [float(sum(part.sum().asscalar() for part in parts)) for parts in measures]
        return sums if self._exchange is None else self._exchange.join(sums)

    def _update(self, step: int, lr: float, loss: float) -> float:
        """Update by the joint gradients, unless `loss` or a gradient is not finite; returns the norm unclipped."""
        norm = self._global_norm()
        if np.isfinite(loss) and np.isfinite(norm):
            clip = self._parameters.gradient_clip
            shrink = clip / norm if clip and norm > clip else 1.0
            self._optimizer.update(step, lr, self._scale * shrink)
        return norm

    def _global_norm(self) -> float:
        gradients = [parameter.list_grad()[0] for parameter in self._trained.values()]
        squares = mx.nd.multi_sum_sq(*gradients, num_arrays=len(gradients))
        return float(np.sqrt(squares.asnumpy().sum(dtype=np.float64))) * self._scale

    def gradient_norms(self) -> dict[str, float]:
        """Norm of each parameter's gradient in the last step."""
        return {
            name: float(parameter.list_grad()[0].norm().asscalar()) * self._scale
            for name, parameter in self._trained.items()
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights, running statistics, head and optimiser state by name."""
        arrays = {name: parameter.list_data()[0].asnumpy() for name, parameter in self._named.items()}
        return arrays | {f"optimizer/{name}": array for name, array in self._optimizer.state().items()}

    def load_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from `state()`; raises CheckpointError where names or shapes differ."""
        mine = {name: tuple(parameter.shape) for name, parameter in self._named.items()}
        theirs = {name: array.shape for name, array in arrays.items() if not name.startswith("optimizer/")}
        if mine != theirs:
            differing = sorted(set(mine.items()) ^ set(theirs.items()))
            raise CheckpointError(f"the checkpoint is of another net: {differing[:4]}")
        for name, parameter in self._named.items():
            parameter.set_data(mx.nd.array(arrays[name]))
        state = {n.removeprefix("optimizer/"): a for n, a in arrays.items() if n.startswith("optimizer/")}
        self._optimizer.load_state(state)

    def share_state(self) -> None:
        """Take over the first worker's state; see Engine.share_state."""
        assert self._exchange is not None
        self.load_state(self._exchange.broadcast(self.state()))

    def _write_weights(self, folder: Path) -> None:
        weights = {n: p.list_data()[0].asnumpy() for n, p in self._named.items() if n.startswith("net/")}
        with (folder / "weights.npz").open("wb") as file:
            np.savez(file, **weights)


def software() -> dict[str, str]:
    """Versions that decide the result."""
    return {"mxnet": mx.__version__, "numpy": np.__version__}
