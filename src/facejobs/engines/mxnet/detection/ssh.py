"""SSH, the single stage headless detector (Najibi et al., ICCV 2017, arXiv:1708.03979): VGG-16, without landmarks."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.anchor_detector import AnchorDetector
from facejobs.engines.mxnet.detection.layers import ConvolutionUnit
from facejobs.engines.mxnet.detection.vgg import VGG16Pyramid
from facejobs.engines.mxnet.initialization import use_he_normal

_FUSED = 128
_WIDE = 512


class Fusion(nn.HybridBlock):
    """conv4_3 and conv5_3 brought to the same few channels and the same size, added and merged."""

    def __init__(self, inputs: int, outputs: int, devices: int) -> None:
        super().__init__()
        with self.name_scope():
            self.fine = ConvolutionUnit(inputs, outputs, 1, devices)
            self.coarse = ConvolutionUnit(inputs, outputs, 1, devices)
            self.merge = ConvolutionUnit(outputs, outputs, 3, devices)

    def hybrid_forward(self, F: Any, fine: Any, coarse: Any) -> Any:  # noqa: N803
        """(N, inputs, H, W) and (N, inputs, H / 2, W / 2) -> (N, outputs, H, W)."""
        above = F.UpSampling(self.coarse(coarse), scale=2, sample_type="nearest")
        return self.merge(self.fine(fine) + above)


class SSH(AnchorDetector):
    """Detection modules on the fused conv4_3, on conv5_3 and on pool5.

    The backbone is always VGG-16; its batch norms, which the paper's has not, let it learn from scratch.
    """

    detector_name = "ssh"
    has_landmarks = False

    def __init__(self, backbone: str, devices: int) -> None:  # noqa: ARG002
        super().__init__("vgg16")
        with self.name_scope():
            self.backbone = VGG16Pyramid(devices)
            self.fusion = Fusion(self.backbone.channels[0], _FUSED, devices)
            self._add_heads([(_FUSED, 2 * _FUSED), (_WIDE, _WIDE), (_WIDE, _WIDE)], devices, slope=0.0)
        for part in (self.backbone, self.fusion, self.context):
            use_he_normal(part)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        fine, coarse, pooled = self.backbone(x)
        return self._outputs(F, [self.fusion(fine, coarse), coarse, pooled])
