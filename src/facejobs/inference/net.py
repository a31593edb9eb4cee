"""Graphs that say of anchors, or windows, whether they are faces: one of a RetinaFace, three of MTCNN."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facejobs.data.detection.detector_description import DetectionDescription, DetectionOutputs, PhotographInput
from facejobs.data.detection.prediction import RawPredictions
from facejobs.data.errors import ModelError
from facejobs.inference.onnx_graph import OnnxGraph, Sizes
from facejobs.inference.pixels import network_input


def open_net(path: Path, description: DetectionDescription, threads: int | None) -> OnnxGraph:
    """Load a detector's graph on the CPU with `threads` (all allowed ones).

    Raises ModelError where ONNX Runtime cannot read it, or it is not what `description` says.
    """
    names = description.outputs
    outputs: dict[str, Sizes | None] = {}
    if isinstance(names, DetectionOutputs):
        outputs[names.scores] = (None,) if names.classes == 1 else (None, names.classes)
        outputs[names.boxes] = (None, 4)
        if names.landmarks is not None:
            outputs[names.landmarks] = (None, 10)
    else:
        outputs.update(dict.fromkeys((*names.scores, *names.boxes, *(names.landmarks or ()))))
    tensor = description.input
    return OnnxGraph(path, {tensor.name: (3, *(tensor.size or (None, None)))}, outputs, threads, tensor.batch)


def run_net(graph: OnnxGraph, description: DetectionDescription, images: NDArray[np.uint8]) -> RawPredictions:
    """Return what a graph says of uint8 RGB images (n, H, W, 3); raises ModelError where they are not finite."""
    scores, boxes, *landmarks = graph.run(feed(description.input, images))
    require_numbers(graph, scores=scores, boxes=boxes, landmarks=landmarks)
    if scores.ndim == 3:
        scores = scores[:, :, -1]
    return RawPredictions(scores, boxes, landmarks[0] if landmarks else None)


def feed(tensor: PhotographInput, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return the graph's input for uint8 RGB images (n, H, W, 3)."""
    return {tensor.name: network_input(images, tensor.mean, tensor.scale, tensor.channel_order)}


def require_numbers(graph: OnnxGraph, **outputs: ArrayLike) -> None:
    """Raise ModelError where one of `outputs`, by what they are called, is not finite."""
    for what, values in outputs.items():
        if not np.isfinite(values).all():
            raise ModelError(
                f"{graph.path} gave {what} that are not finite: the model is damaged, or its training diverged"
            )
