"""Initial weights."""

import math
from typing import Any

import mxnet as mx


@mx.init.register
class HeNormal(mx.init.Initializer):
    """Normal with variance 2 / fan-out (He et al., 2015, arXiv:1502.01852), from MXNet's seeded generator.

    A weight with one input channel belongs to a depthwise convolution: one output channel reads each input.
    """

    def _init_weight(self, name: str, weight: Any) -> None:  # noqa: ARG002
        outputs, inputs, *kernel = weight.shape
        fan_out = math.prod(kernel) * (1 if inputs == 1 and kernel else outputs)
        mx.nd.random.normal(0, math.sqrt(2 / fan_out), shape=weight.shape, out=weight)


def use_he_normal(block: mx.gluon.Block) -> None:
    """Let `block.initialize()` draw every weight of `block` so; biases, batch norms and slopes keep their own start."""
    for name, parameter in block._collect_params_with_prefix().items():
        if name.endswith("weight"):
            parameter.init = HeNormal()
