"""The layer that detectors are made of."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.batch_norm import batch_norm

LEAK = 0.1
"""Slope below zero of RetinaFace's leaky rectifiers (Maas et al., 2013)."""


class ConvolutionUnit(nn.HybridBlock):
    """Convolution without bias, padded to keep the size at stride 1, batch norm, and a rectifier unless `linear`.

    `slope` is the rectifier's below zero; 0 is ReLU.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        devices: int,
        stride: int = 1,
        groups: int = 1,
        slope: float = 0.0,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self._slope, self._linear = slope, linear
        with self.name_scope():
            self.convolution = nn.Conv2D(
                outputs, kernel, stride, kernel // 2, groups=groups, use_bias=False, in_channels=inputs
            )
            self.norm = batch_norm(outputs, devices)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        x = self.norm(self.convolution(x))
        return x if self._linear else rectify(F, x, self._slope)


def rectify(F: Any, x: Any, slope: float) -> Any:  # noqa: N803
    """max(x, 0) + slope * min(x, 0), element by element."""
    return F.LeakyReLU(x, act_type="leaky", slope=slope) if slope else F.Activation(x, act_type="relu")
