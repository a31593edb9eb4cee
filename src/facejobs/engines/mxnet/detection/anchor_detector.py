"""What detectors with anchors share: a context head a level of the pyramid, and outputs for each anchor."""

import math
from typing import Any

import mxnet as mx
from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.layers import ConvolutionUnit

_ANCHORS_A_CELL = 2
_OUTPUT_DEVIATION = 0.01
_FACE_PRIOR = 0.01


class ContextHead(nn.HybridBlock):
    """SSH's context module (Najibi et al., 2017, arXiv:1708.03979): receptive fields of 3, 5 and 7 beside each other.

    Half of the channels see 3x3, a quarter each 5x5 and 7x7, which are stacks of 3x3.
    """

    def __init__(self, inputs: int, outputs: int, devices: int, slope: float) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        with self.name_scope():
            self.near = ConvolutionUnit(inputs, half, 3, devices, linear=True)
            self.shared = ConvolutionUnit(inputs, quarter, 3, devices, slope=slope)
            self.wide = ConvolutionUnit(quarter, quarter, 3, devices, linear=True)
            self.wider = ConvolutionUnit(quarter, quarter, 3, devices, slope=slope)
            self.widest = ConvolutionUnit(quarter, quarter, 3, devices, linear=True)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        shared = self.shared(x)
        joined = F.concat(self.near(x), self.wide(shared), self.widest(self.wider(shared)), dim=1)
        return F.Activation(joined, act_type="relu")


class OutputLayer(nn.HybridBlock):
    """A 1x1 convolution that gives `numbers` for each anchor of a cell."""

    def __init__(self, inputs: int, numbers: int, bias: float = 0.0) -> None:
        super().__init__()
        self._numbers = numbers
        with self.name_scope():
            self.convolution = nn.Conv2D(
                _ANCHORS_A_CELL * numbers,
                1,
                in_channels=inputs,
                weight_initializer=mx.init.Normal(_OUTPUT_DEVIATION),
                bias_initializer=mx.init.Constant(bias),
            )

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """(N, inputs, H, W) -> (N, H * W * anchors, numbers), in the order of AnchorLayout."""
        return F.reshape(F.transpose(self.convolution(x), (0, 2, 3, 1)), (0, -1, self._numbers))


class AnchorDetector(nn.HybridBlock):
    """Normalised images (N, 3, H, W), sides multiples of 32 -> class logits (N, A), boxes (N, A, 4) and, if it
    `has_landmarks`, landmarks (N, A, 10), relative to the A anchors of an AnchorLayout with three strides and two sizes
    each. A subclass adds the layers before the context heads.
    """

    detector_name: str
    has_landmarks: bool

    def __init__(self, backbone: str) -> None:
        super().__init__(prefix="net_")
        self.backbone_name = backbone

    def _add_heads(self, channels: list[tuple[int, int]], devices: int, slope: float) -> None:
        """Context heads and outputs for levels of these (inputs, outputs of the context head)."""
        self.context = nn.HybridSequential()
        kinds = {"classes": 1, "boxes": 4} | ({"landmarks": 10} if self.has_landmarks else {})
        for kind in kinds:
            setattr(self, kind, nn.HybridSequential())
        for inputs, outputs in channels:
            self.context.add(ContextHead(inputs, outputs, devices, slope))
            for kind, numbers in kinds.items():
                bias = math.log(_FACE_PRIOR / (1 - _FACE_PRIOR)) if kind == "classes" else 0.0
                getattr(self, kind).add(OutputLayer(outputs, numbers, bias))

    def _outputs(self, F: Any, levels: list[Any]) -> list[Any]:  # noqa: N803
        levels = [head(level) for head, level in zip(self.context, levels, strict=True)]
        kinds = [self.classes, self.boxes, *([self.landmarks] if self.has_landmarks else [])]
        logits, *others = (
            F.concat(*(layer(level) for layer, level in zip(layers, levels, strict=True)), dim=1) for layers in kinds
        )
        return [F.reshape(logits, (0, -1)), *others]
