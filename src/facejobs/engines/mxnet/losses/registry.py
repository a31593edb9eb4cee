"""Classification heads by name, with the defaults of their papers."""

from mxnet.gluon import nn

from facejobs.engines.mxnet.losses.arcface import ArcFace
from facejobs.engines.mxnet.losses.cosface import CosFace
from facejobs.engines.mxnet.losses.normface import NormFace
from facejobs.engines.mxnet.losses.softmax import Softmax

_COSINE_HEADS = {"normface": NormFace, "cosface": CosFace, "arcface": ArcFace}
_SCALES = {"normface": 20.0, "cosface": 64.0, "arcface": 64.0}
_MARGINS = {"cosface": 0.35, "arcface": 0.5}


def head_names() -> list[str]:
    """Every name `build_head` knows."""
    return ["softmax", *_COSINE_HEADS]


def default_margin(loss: str) -> float:
    """The margin of a loss's paper; 0 for losses without one."""
    return _MARGINS.get(loss, 0.0)


def build_head(loss: str, classes: int, embedding_size: int, scale: float | None = None) -> nn.HybridBlock:
    """The head `loss`, not initialised: (embedding, labels, margin) -> losses (N,), logits or cosines (N, classes)."""
    if loss == "softmax":
        return Softmax(classes, embedding_size)
    return _COSINE_HEADS[loss](classes, embedding_size, _SCALES[loss] if scale is None else scale)
