"""Backbones of detectors by name: each gives feature maps at strides 8, 16 and 32 and names their `channels`.

Those of GluonCV keep its structural names, so that its weight files fit.
"""

from collections.abc import Callable
from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.backbones.zoo import ResNet50V1b, ZooFeatures
from facejobs.engines.mxnet.detection.mobilenet import QuarterMobileNet
from facejobs.training.errors import ParameterError


class ResNet50Pyramid(ResNet50V1b):
    """ResNet-50's last three stages."""

    channels = (512, 1024, 2048)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Normalised images (N, 3, H, W) -> three feature maps."""
        maps = []
        for part in self._parts:
            x = getattr(self, part)(x)
            maps.append(x)
        return maps[-3:]


class MobileNetV2Pyramid(ZooFeatures):
    """MobileNet v2 of width 1 without its last convolution, which is as large as the rest of its stage."""

    channels = (32, 96, 320)
    # The last bottleneck of 32, 96 and 320 channels among the layers; the first three are the stem.
    _TAPS = (8, 15, 19)
    _DROPPED = 4

    def __init__(self, devices: int = 1) -> None:
        super().__init__("mobilenetv2_1.0", self._DROPPED, devices)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Normalised images (N, 3, H, W) -> three feature maps."""
        maps = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self._TAPS:
                maps.append(x)
        return maps


_BACKBONES: dict[str, Callable[..., nn.HybridBlock]] = {
    "mobilenet0.25": QuarterMobileNet,
    "mobilenet_v2": MobileNetV2Pyramid,
    "resnet50": ResNet50Pyramid,
}


def detection_backbone_names() -> list[str]:
    """Every name `build_detection_backbone` knows."""
    return sorted(_BACKBONES)


def build_detection_backbone(name: str, devices: int = 1) -> nn.HybridBlock:
    """The backbone `name`, not initialised; batch norms are synchronised over `devices`.

    Raises ParameterError, and EngineError where gluoncv is missing.
    """
    if name not in _BACKBONES:
        raise ParameterError(f"--backbone {name!r} is none for detectors: {' '.join(detection_backbone_names())}")
    return _BACKBONES[name](devices=devices)
