"""Graphs that say of anchors, or windows, whether they are faces: one of a RetinaFace, three of MTCNN."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.detection.prediction import RawPredictions
from facejobs.data.errors import ModelError
from facejobs.inference.onnx_graph import OnnxGraph, Sizes
from facejobs.inference.pixels import network_input


def open_net(path: Path, description: DetectionDescription, threads: int | None) -> OnnxGraph:
    """Load a detector's graph on the CPU with `threads` (all allowed ones).

    Raises ModelError where ONNX Runtime cannot read it, or it is not what `description` says.
    """
    names = description.outputs
    outputs: dict[str, Sizes] = {names.scores: (None,), names.boxes: (None, 4)}
    if names.landmarks is not None:
        outputs[names.landmarks] = (None, 10)
    return OnnxGraph(path, {description.input.name: (3, None, None)}, outputs, threads)


def run_net(graph: OnnxGraph, description: DetectionDescription, images: NDArray[np.uint8]) -> RawPredictions:
    """Return what a graph says of uint8 RGB images (n, H, W, 3); raises ModelError where scores are no numbers."""
    tensor = description.input
    scores, boxes, *landmarks = graph.run({tensor.name: network_input(images, tensor.mean, tensor.scale)})
    if not np.isfinite(scores).all():
        raise ModelError(
            f"{graph.path} gave scores that are not finite: the model is damaged, or its training diverged"
        )
    return RawPredictions(scores, boxes, landmarks[0] if landmarks else None)
