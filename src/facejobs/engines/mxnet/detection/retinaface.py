"""RetinaFace (Deng et al., CVPR 2020): a feature pyramid, a context head a level, and three outputs an anchor."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.anchor_detector import AnchorDetector
from facejobs.engines.mxnet.detection.backbones import build_detection_backbone
from facejobs.engines.mxnet.detection.layers import LEAK, ConvolutionUnit
from facejobs.engines.mxnet.initialization import use_he_normal

_NARROW = 64
_WIDE = 256


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


class RetinaFace(AnchorDetector):
    """Any backbone, a pyramid of three levels, and landmarks."""

    detector_name = "retinaface"
    has_landmarks = True

    def __init__(self, backbone: str, devices: int) -> None:
        super().__init__(backbone)
        channels = _NARROW if backbone == "mobilenet0.25" else _WIDE
        slope = LEAK if channels <= _NARROW else 0.0
        with self.name_scope():
            self.backbone = build_detection_backbone(backbone, devices)
            self.pyramid = FeaturePyramid(self.backbone.channels, channels, devices, slope)
            self._add_heads([(channels, channels)] * len(self.backbone.channels), devices, slope)
        for part in (self.backbone, self.pyramid, self.context):
            use_he_normal(part)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        return self._outputs(F, self.pyramid(*self.backbone(x)))
