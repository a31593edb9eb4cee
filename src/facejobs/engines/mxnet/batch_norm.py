"""Batch norm layers, synchronised over devices where there are several (Ioffe and Szegedy, 2015, arXiv:1502.03167)."""

from itertools import count
from typing import Any

from mxnet.gluon import nn
from mxnet.gluon.contrib.nn import SyncBatchNorm

_layers = count()


class SharedBatchNorm(SyncBatchNorm):
    """Batch norm over the joint batch of `num_devices` devices, with the parameters of nn.BatchNorm.

    MXNet's operator makes each device wait inside the layer for the others. So a step must place its data on every
    device first, then start every device's forward pass before it waits for any result, and likewise backward.
    On several CPU contexts, which share their workspaces, this needs MXNET_CPU_TEMP_COPY above the number of operators
    and MXNET_CPU_WORKER_NTHREADS of 2 before MXNet is loaded; GPUs need neither.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # MXNet meets by key across the whole process, so two nets with equal names must not share one.
        self._kwargs["key"] = f"{self.prefix}{next(_layers)}"


class RectifiedBatchNorm(nn.BatchNorm):
    """Batch norm and ReLU on one device, bit for bit the same `fused`: then a third faster, but on CPUs alone."""

    fused = False

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:  # noqa: N803
        arrays = x, gamma, beta, running_mean, running_var
        if self.fused:
            return F.contrib.BatchNormWithReLU(*arrays, **self._kwargs)
        return F.Activation(F.BatchNorm(*arrays, **self._kwargs), act_type="relu")


def fuse_rectifiers(block: nn.Block) -> None:
    """Let every RectifiedBatchNorm of `block`, which is on the CPU and not hybridised yet, do its work in one pass."""
    if isinstance(block, RectifiedBatchNorm):
        block.fused = True
    for child in block._children.values():
        fuse_rectifiers(child)


def batch_norm(channels: int, devices: int = 1, epsilon: float = 1e-5, fixed_gamma: bool = False) -> nn.BatchNorm:
    """A batch norm over axis 1; parameter names and shapes do not depend on `devices`.

    With `fixed_gamma` gamma stays 1 but remains an ordinary parameter: the ONNX exporter ignores MXNet's `fix_gamma`.
    """
    layer = (
        nn.BatchNorm(in_channels=channels, epsilon=epsilon)
        if devices == 1
        else SharedBatchNorm(in_channels=channels, epsilon=epsilon, num_devices=devices)
    )
    if fixed_gamma:
        layer.gamma.grad_req = "null"
    return layer
