"""A graph with outputs of their own for each level of its pyramid, as that of SCRFD."""

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.detector_description import LevelOutputs, PhotographInput
from facejobs.data.detection.points import PointLayout
from facejobs.data.detection.prediction import RawPredictions
from facejobs.data.errors import ModelError
from facejobs.data.model_description import DESCRIPTION_NAME
from facejobs.inference.net import feed, require_numbers
from facejobs.inference.onnx_graph import OnnxGraph

Outputs = list[NDArray[np.float32]]


def run_level_net(
    graph: OnnxGraph, tensor: PhotographInput, names: LevelOutputs, layout: PointLayout, images: NDArray[np.uint8]
) -> RawPredictions:
    """Return what a graph says of uint8 RGB images (n, H, W, 3), with the levels of `layout` one after the other.

    Raises ModelError where an output has another size than the points of its level, and where one is not finite.
    """
    counts = layout.level_counts(*images.shape[1:3])
    shown = [_run_one(graph, tensor, names, counts, image) for image in images]
    scores, boxes, landmarks = (np.stack(parts) for parts in zip(*shown, strict=True))
    require_numbers(graph, scores=scores, boxes=boxes, landmarks=landmarks)
    return RawPredictions(scores[..., 0], boxes, landmarks if names.landmarks is not None else None)


def _run_one(
    graph: OnnxGraph, tensor: PhotographInput, names: LevelOutputs, counts: list[int], image: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], ...]:
    """Scores (A, 1), boxes (A, 4) and landmarks (A, 10 or, where there are none, 0)."""
    given = graph.run(feed(tensor, image[None]))
    levels = len(counts)
    kinds = (
        (names.scores, given[:levels], 1),
        (names.boxes, given[levels : 2 * levels], 4),
        (names.landmarks or (), given[2 * levels :], 10),
    )
    return tuple(
        np.concatenate(
            [
                _rows(graph, name, output, count, width)
                for name, output, count in zip(of_kind, outputs, counts, strict=True)
            ]
        )
        if of_kind
        else np.empty((sum(counts), 0), np.float32)
        for of_kind, outputs, width in kinds
    )


def _rows(graph: OnnxGraph, name: str, output: NDArray[np.float32], count: int, width: int) -> NDArray[np.float32]:
    """An output as (count, width), whether or not it has a batch of one."""
    if output.dtype != np.float32 or output.size != count * width or count not in output.shape:
        raise ModelError(
            f"{graph.path} gave {output.dtype} {output.shape} as {name}; {DESCRIPTION_NAME} lays out {count} points "
            f"there, of {width} numbers each"
        )
    return output.reshape(count, width)
