"""MobileFaceNet (Chen et al., 2018, arXiv:1804.07573): (N, 3, 112, 112) -> (N, 512, 7, 7)."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.batch_norm import batch_norm
from facejobs.engines.mxnet.prelu import PReLU

# Input channels, expanded channels, output channels, stride, units (table 1); units of stride 1 have a shortcut.
_STAGES = (
    (64, 128, 64, 2, 1),
    (64, 128, 64, 1, 4),
    (64, 256, 128, 2, 1),
    (128, 256, 128, 1, 6),
    (128, 512, 128, 2, 1),
    (128, 256, 128, 1, 2),
)


class ConvolutionUnit(nn.HybridBlock):
    """Convolution, batch norm and, unless `linear`, PReLU; padded to keep the size at stride 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        devices: int,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        with self.name_scope():
            self.convolution = nn.Conv2D(
                outputs, kernel, stride, kernel // 2, groups=groups, use_bias=False, in_channels=inputs
            )
            self.norm = batch_norm(outputs, devices)
            self.activation = None if linear else PReLU(outputs)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        x = self.norm(self.convolution(x))
        return x if self.activation is None else self.activation(x)


class Bottleneck(nn.HybridBlock):
    """Inverted residual with a linear projection (Sandler et al., 2018, arXiv:1801.04381)."""

    def __init__(self, inputs: int, expanded: int, outputs: int, stride: int, devices: int) -> None:
        super().__init__()
        self._shortcut = stride == 1
        with self.name_scope():
            self.expand = ConvolutionUnit(inputs, expanded, 1, devices)
            self.depthwise = ConvolutionUnit(expanded, expanded, 3, devices, stride, groups=expanded)
            self.project = ConvolutionUnit(expanded, outputs, 1, devices, linear=True)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self._shortcut else y


class MobileFaceNet(nn.HybridBlock):
    """From (N, 3, 112, 112) to a feature map of 512 channels, 7x7."""

    def __init__(self, devices: int = 1) -> None:
        super().__init__()
        with self.name_scope():
            self.body = nn.HybridSequential()
            self.body.add(
                ConvolutionUnit(3, 64, 3, devices, stride=2),
                ConvolutionUnit(64, 64, 3, devices, groups=64),
            )
            for inputs, expanded, outputs, stride, units in _STAGES:
                for _ in range(units):
                    self.body.add(Bottleneck(inputs, expanded, outputs, stride, devices))
            self.body.add(ConvolutionUnit(128, 512, 1, devices))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.body(x)
