"""Improved residual networks for faces: IResNet of ArcFace (Deng et al., 2019, arXiv:1801.07698, section 3.1)."""

from functools import partial
from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.batch_norm import batch_norm
from facejobs.engines.mxnet.prelu import PReLU

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
_CHANNELS = (64, 128, 256, 512)
EPSILON = 2e-5


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2D:
    return nn.Conv2D(outputs, kernel, stride, kernel // 2, use_bias=False, in_channels=inputs)


class Unit(nn.HybridBlock):
    """BN, conv, BN, PReLU, conv, BN, and a shortcut that is projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, devices: int) -> None:
        super().__init__()
        norm = partial(batch_norm, devices=devices, epsilon=EPSILON)
        with self.name_scope():
            self.body = nn.HybridSequential()
            self.body.add(
                norm(inputs),
                _convolution(inputs, outputs, 3),
                norm(outputs),
                PReLU(outputs),
                _convolution(outputs, outputs, 3, stride),
                norm(outputs),
            )
            self.shortcut = None
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.HybridSequential()
                self.shortcut.add(_convolution(inputs, outputs, 1, stride), norm(outputs))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


class IResNet(nn.HybridBlock):
    """From (N, 3, 112, 112) to a feature map of 512 channels, 7x7."""

    def __init__(self, depth: int, devices: int = 1) -> None:
        super().__init__()
        with self.name_scope():
            self.body = nn.HybridSequential()
            self.body.add(_convolution(3, 64, 3), batch_norm(64, devices, EPSILON), PReLU(64))
            inputs = 64
            for outputs, units in zip(_CHANNELS, UNITS[depth], strict=True):
                for number in range(units):
                    self.body.add(Unit(inputs, outputs, 2 if number == 0 else 1, devices))
                    inputs = outputs

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.body(x)
