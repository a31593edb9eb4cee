"""The layer that detectors are made of."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.batch_norm import RectifiedBatchNorm, batch_norm

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
        rectified = devices == 1 and not (slope or linear)
        self._linear = linear or rectified
        self._slope = slope
        with self.name_scope():
            self.convolution = nn.Conv2D(
                outputs, kernel, stride, kernel // 2, groups=groups, use_bias=False, in_channels=inputs
            )
            self.norm = RectifiedBatchNorm(in_channels=outputs) if rectified else batch_norm(outputs, devices)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        x = self.norm(self.convolution(x))
        if self._linear:
            return x
        return F.LeakyReLU(x, act_type="leaky", slope=self._slope) if self._slope else F.Activation(x, act_type="relu")
