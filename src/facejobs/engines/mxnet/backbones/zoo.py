"""Backbones of general image recognition, from GluonCV, without their classifiers.

Parameters keep GluonCV's structural names, so that its weight files fit. At 112x112 the feature maps are 4x4 (ResNet,
MobileNet) or 3x3 (VGG).
"""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.batch_norm import SharedBatchNorm
from facejobs.engines.mxnet.errors import EngineError


def _whole_network(name: str, devices: int) -> nn.HybridBlock:
    try:
        from gluoncv.model_zoo import get_model
    except ImportError as error:
        raise EngineError(f"--backbone {name} needs the package gluoncv, and it cannot be imported: {error}") from None
    norm: dict[str, Any] = {}
    if devices > 1:
        norm = {"norm_layer": SharedBatchNorm, "norm_kwargs": {"num_devices": devices}}
    return get_model(name, pretrained=False, **norm)


class ResNet50V1b(nn.HybridBlock):
    """ResNet-50 (He et al., 2016, arXiv:1512.03385), strides in its 3x3 convolutions; 2048 channels."""

    def __init__(self, devices: int = 1) -> None:
        super().__init__()
        with self.name_scope():
            whole = _whole_network("resnet50_v1b", devices)
        self._parts = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        for part in self._parts:
            setattr(self, part, getattr(whole, part))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        for part in self._parts:
            x = getattr(self, part)(x)
        return x


class ZooFeatures(nn.HybridBlock):
    """The layers `features` of a GluonCV network, less the last `dropped` of them."""

    def __init__(self, name: str, dropped: int, devices: int = 1) -> None:
        super().__init__()
        with self.name_scope():
            layers = list(_whole_network(name, devices).features)
        self.features = nn.HybridSequential(prefix="")
        self.features.add(*layers[: len(layers) - dropped])

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.features(x)


def mobilenet_v2(devices: int = 1) -> ZooFeatures:
    """MobileNet v2 of width 1 (Sandler et al., 2018, arXiv:1801.04381) without its global pooling; 1280 channels."""
    return ZooFeatures("mobilenetv2_1.0", 1, devices)


def vgg16(devices: int = 1) -> ZooFeatures:  # noqa: ARG001
    """VGG-16 (Simonyan and Zisserman, 2015, arXiv:1409.1556) without its dense layers and dropouts; 512 channels."""
    return ZooFeatures("vgg16", 4)
