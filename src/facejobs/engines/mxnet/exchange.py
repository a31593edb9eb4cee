"""Joins what several workers computed on their parts of a batch, through MXNet's distributed kvstore.

The servers only add; every worker then makes the same update of its own copy of the weights.
"""

import atexit
import ctypes
from collections.abc import Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.base import _LIB, check_call
from mxnet.gluon import Parameter
from numpy.typing import NDArray

from facejobs.training.distributed.group import WorkerGroup

# Smaller arrays travel together, because each one costs a message to a server and back.
_LARGE_ELEMENTS = 1 << 16
_CHUNK_ELEMENTS = 1 << 20
_RUNNING = ("running_mean", "running_var")


class Exchange:
    """Sums gradients over workers and devices, and averages the running statistics of batch norms over workers.

    Every worker makes one, at the same time, from the same parameters; each call is made by all of them.
    """

    def __init__(self, parameters: dict[str, Parameter], group: WorkerGroup, measures: int) -> None:
        """Connect to the cluster that the environment names (see cluster.py); blocks until all workers have.

        `measures` numbers of each step are summed beside the gradients.
        """
        self._group = group
        trained = [p for p in parameters.values() if p.grad_req != "null"]
        self._large = [p for p in trained if _size(p) >= _LARGE_ELEMENTS]
        self._small = [p for p in trained if _size(p) < _LARGE_ELEMENTS]
        self._running = [p for name, p in parameters.items() if name.endswith(_RUNNING)]
        contexts = trained[0].list_ctx()
        self._devices, self._context = range(len(contexts)), contexts[0]
        self._store = mx.kv.create("dist_device_sync" if self._context.device_type == "gpu" else "dist_sync")
        atexit.register(self._leave)
        for key, parameter in enumerate(self._large):
            self._store.init(key, mx.nd.zeros(parameter.shape))
        self._small_key, self._numbers_key, self._state_key = range(len(self._large), len(self._large) + 3)
        self._store.init(self._small_key, mx.nd.zeros(sum(map(_size, self._small))))
        self._store.init(self._numbers_key, mx.nd.zeros(sum(map(_size, self._running)) + measures))
        self._store.init(self._state_key, mx.nd.zeros(_CHUNK_ELEMENTS))

    def join(self, measures: Sequence[float]) -> list[float]:
        """Join the gradients and statistics of a step in place; returns the sums of `measures` over the workers."""
        small = [_flat([p.list_grad()[device] for p in self._small]) for device in self._devices]
        for key, parameter in enumerate(self._large):
            self._store.push(key, parameter.list_grad(), priority=-key)
        self._store.push(self._small_key, small)
        # Until its own gradients are there this worker computes; from then on it waits for others.
        for array in [*small, *(gradient for p in self._large for gradient in p.list_grad())]:
            array.wait_to_read()
        self._group.enter("exchanging")
        # Not before: the backward pass writes the running statistics, and MXNet lets nobody who reads them wait for it.
        sums = mx.nd.array(measures, ctx=self._context)
        numbers = _flat([*(p.list_data()[0] for p in self._running), sums])
        self._store.push(self._numbers_key, numbers)
        for key, parameter in enumerate(self._large):
            self._store.pull(key, parameter.list_grad(), priority=-key)
        self._store.pull(self._small_key, small)
        self._store.pull(self._numbers_key, numbers)
        for array in [*small, numbers, *(gradient for p in self._large for gradient in p.list_grad())]:
            array.wait_to_read()
        self._group.enter("computing")
        for device in self._devices:
            _scatter(small[device], [p.list_grad()[device] for p in self._small])
            _scatter(numbers / self._group.size, [p.list_data()[device] for p in self._running])
        return numbers[-len(measures) :].asnumpy().tolist()  # type: ignore[no-any-return]

    def broadcast(self, arrays: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """The first worker's arrays, bit for bit; the others give arrays of the same names and shapes."""
        mine = np.concatenate([array.ravel() for array in arrays.values()])
        theirs = np.empty_like(mine)
        for start in range(0, len(mine), _CHUNK_ELEMENTS):
            end = min(start + _CHUNK_ELEMENTS, len(mine))
            # The one number that changes none when it is added, not even the sign of a zero.
            sent = np.full(_CHUNK_ELEMENTS, -0.0, np.float32)
            if self._group.rank == 0:
                sent[: end - start] = mine[start:end]
            chunk = mx.nd.array(sent, ctx=self._context)
            self._store.push(self._state_key, chunk)
            self._store.pull(self._state_key, chunk)
            theirs[start:end] = chunk.asnumpy()[: end - start]
        ends = np.cumsum([array.size for array in arrays.values()])
        parts = np.split(theirs, ends[:-1])
        return {name: part.reshape(arrays[name].shape) for name, part in zip(arrays, parts, strict=True)}

    def _leave(self) -> None:
        """Disconnect by itself, not together with the others, of which one may be gone."""
        check_call(_LIB.MXKVStoreSetBarrierBeforeExit(self._store.handle, ctypes.c_int(0)))
        del self._store


def _size(parameter: Parameter) -> int:
    return int(np.prod(parameter.shape))


def _flat(arrays: Sequence[Any]) -> Any:
    return mx.nd.concat(*(array.reshape(-1) for array in arrays), dim=0)


def _scatter(flat: Any, arrays: Sequence[Any]) -> None:
    """Write consecutive parts of `flat` into `arrays`, on their device."""
    start = 0
    for array in arrays:
        array[:] = flat[start : start + array.size].reshape(array.shape)
        start += array.size
