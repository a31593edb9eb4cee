"""PReLU whose backward pass is not the bottleneck on a CPU (He et al., 2015, arXiv:1502.01852)."""

from typing import Any

import mxnet as mx
from mxnet.gluon import nn

_EPSILON = 1e-5


class PReLU(nn.HybridBlock):
    """max(x, 0) + alpha * min(x, 0) with one slope a channel; input (N, C, H, W), output of the same shape.

    MXNet's own backward reduces the slope's gradient element by element. The same function written as
    alpha * x + (1 - alpha) * relu(x), each channel scale done by a batch norm over fixed statistics, keeps every
    operation in oneDNN and in its blocked layout, and the slope's gradient is the batch norms' own.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.alpha = self.params.get("alpha", shape=(channels,), init=mx.init.Constant(0.25))
            self.zero = self.params.get_constant("zero", mx.nd.zeros((channels,)))
            self.variance = self.params.get_constant("variance", mx.nd.full((channels,), 1 - _EPSILON))

    def hybrid_forward(self, F: Any, x: Any, alpha: Any, zero: Any, variance: Any) -> Any:  # noqa: N803
        fixed = {"eps": _EPSILON, "fix_gamma": False, "use_global_stats": True}
        linear = F.BatchNorm(x, alpha, zero, zero, variance, **fixed)
        positive = F.BatchNorm(F.Activation(x, act_type="relu"), 1 - alpha, zero, zero, variance, **fixed)
        return linear + positive
