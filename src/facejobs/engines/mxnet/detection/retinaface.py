"""RetinaFace (Deng et al., CVPR 2020): a feature pyramid, a context head a level, and three outputs an anchor."""

import math
from typing import Any

import mxnet as mx
from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.backbones import build_detection_backbone
from facejobs.engines.mxnet.detection.layers import LEAK, ConvolutionUnit
from facejobs.engines.mxnet.initialization import use_he_normal

_ANCHORS_A_CELL = 2
_NARROW = 64
_WIDE = 256
_OUTPUT_DEVIATION = 0.01
_FACE_PRIOR = 0.01


class FeaturePyramid(nn.HybridBlock):
    """Top-down pyramid (Lin et al., 2017, arXiv:1612.03144) whose sums are merged by one 3x3 convolution each."""

    def __init__(self, channels: tuple[int, ...], outputs: int, devices: int, slope: float) -> None:
        super().__init__()
        with self.name_scope():
            self.lateral = nn.HybridSequential()
            self.merge = nn.HybridSequential()
            for inputs in channels:
                self.lateral.add(ConvolutionUnit(inputs, outputs, 1, devices, slope=slope))
            for _ in channels[1:]:
                self.merge.add(ConvolutionUnit(outputs, outputs, 3, devices, slope=slope))

    def hybrid_forward(self, F: Any, *maps: Any) -> Any:  # noqa: N803
        """Maps of falling size, each half the one before -> maps of the same sizes, all of `outputs` channels."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for level in range(len(levels) - 2, -1, -1):
            above = F.UpSampling(levels[level + 1], scale=2, sample_type="nearest")
            levels[level] = self.merge[level](levels[level] + above)
        return levels


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


class RetinaFace(nn.HybridBlock):
    """Normalised images (N, 3, H, W), sides multiples of 32 -> class logits (N, A), boxes (N, A, 4), landmarks
    (N, A, 10), all relative to the A anchors of an AnchorLayout with three strides and two sizes each.
    """

    detector_name = "retinaface"
    has_landmarks = True

    def __init__(self, backbone: str, devices: int) -> None:
        super().__init__(prefix="net_")
        self.backbone_name = backbone
        channels = _NARROW if backbone == "mobilenet0.25" else _WIDE
        slope = LEAK if channels <= _NARROW else 0.0
        with self.name_scope():
            self.backbone = build_detection_backbone(backbone, devices)
            self.pyramid = FeaturePyramid(self.backbone.channels, channels, devices, slope)
            self.context = nn.HybridSequential()
            self.classes, self.boxes, self.landmarks = (nn.HybridSequential() for _ in range(3))
            for _ in self.backbone.channels:
                self.context.add(ContextHead(channels, channels, devices, slope))
                self.classes.add(OutputLayer(channels, 1, bias=math.log(_FACE_PRIOR / (1 - _FACE_PRIOR))))
                self.boxes.add(OutputLayer(channels, 4))
                self.landmarks.add(OutputLayer(channels, 10))
        for part in (self.backbone, self.pyramid, self.context):
            use_he_normal(part)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        levels = self.pyramid(*self.backbone(x))
        levels = [head(level) for head, level in zip(self.context, levels, strict=True)]
        logits, boxes, landmarks = (
            F.concat(*(layer(level) for layer, level in zip(layers, levels, strict=True)), dim=1)
            for layers in (self.classes, self.boxes, self.landmarks)
        )
        return F.reshape(logits, (0, -1)), boxes, landmarks
