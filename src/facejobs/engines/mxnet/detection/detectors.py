"""Detectors by name."""

from collections.abc import Callable

from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.mtcnn import StageNet
from facejobs.engines.mxnet.detection.retinaface import RetinaFace
from facejobs.engines.mxnet.detection.ssh import SSH
from facejobs.training.errors import ParameterError

_DETECTORS: dict[str, Callable[[str, int], nn.HybridBlock]] = {"mtcnn": StageNet, "retinaface": RetinaFace, "ssh": SSH}


def build_detector_net(detector: str, backbone: str, devices: int = 1) -> nn.HybridBlock:
    """The net that training trains and the model publishes, not initialised; batch norms are joint over `devices`.

    It maps normalised images (N, 3, H, W), sides multiples of 32, to class logits (N, A), boxes (N, A, 4) and, if it
    `has_landmarks`, landmarks (N, A, 10). Names, structural or not, depend on nothing but the arguments. Raises
    ParameterError, EngineError.
    """
    if detector not in _DETECTORS:
        raise ParameterError(f"--detector {detector!r} is unknown: {' '.join(sorted(_DETECTORS))}")
    return _DETECTORS[detector](backbone, devices)
