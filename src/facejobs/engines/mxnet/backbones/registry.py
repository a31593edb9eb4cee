"""Backbones by name."""

import difflib
from collections.abc import Callable
from functools import partial

from mxnet.gluon import nn

from facejobs.engines.mxnet.backbones.iresnet import UNITS, IResNet
from facejobs.engines.mxnet.backbones.mobilefacenet import MobileFaceNet
from facejobs.engines.mxnet.backbones.zoo import ResNet50V1b, mobilenet_v2, vgg16
from facejobs.training.errors import ParameterError

_BACKBONES: dict[str, Callable[..., nn.HybridBlock]] = {
    **{f"iresnet{depth}": partial(IResNet, depth) for depth in UNITS},
    "mobilefacenet": MobileFaceNet,
    "mobilenet_v2": mobilenet_v2,
    "resnet50_v1b": ResNet50V1b,
    "vgg16": vgg16,
}


def backbone_names() -> list[str]:
    """Every name `build_backbone` knows."""
    return sorted(_BACKBONES)


def check_backbone(name: str) -> None:
    """Raise ParameterError naming near misses if there is no backbone of that name."""
    if name not in _BACKBONES:
        near = difflib.get_close_matches(name, _BACKBONES, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {' '.join(backbone_names())}"
        raise ParameterError(f"--backbone {name!r} is unknown: {hint}")


def build_backbone(name: str, devices: int = 1) -> nn.HybridBlock:
    """The backbone `name`, not initialised: normalised images (N, 3, 112, 112) float32 -> feature map.

    Batch norms are synchronised over `devices`. Raises ParameterError, and EngineError where gluoncv is missing.
    """
    check_backbone(name)
    return _BACKBONES[name](devices=devices)
