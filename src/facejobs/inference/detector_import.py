"""What can be told of a foreign detector by running it: is it like RetinaFace, like SCRFD, or neither."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.detector_description import (
    Anchors,
    DetectionOutputs,
    LevelOutputs,
    PhotographInput,
    Points,
)
from facejobs.data.detection.points import PointLayout
from facejobs.data.errors import ModelError
from facejobs.data.normalization import PIXEL_MEAN, PIXEL_SCALE
from facejobs.inference.foreign_graph import Arrays, ForeignGraph, noise, shapes
from facejobs.inference.import_choices import Findings, ImportChoices

# Not square, so that a net for one size only is found out.
_PROBE = (256, 384)
_ANCHORS = AnchorLayout()
_RETINAFACE_MEAN = (104.0, 117.0, 123.0)
_STRIDES = {3: (8, 16, 32), 5: (8, 16, 32, 64, 128)}

Fields = dict[str, Any]


def examine_detector(graph: ForeignGraph, choices: ImportChoices, findings: Findings) -> Fields:
    """Return the fields `detector`, `input`, `outputs` and `anchors` or `points` of a detector's model.json.

    Raises ModelError where the outputs are like neither those of RetinaFace (PyTorch's: boxes, two classes, landmarks
    of all anchors) nor those of SCRFD (scores, distances, landmarks of each level).
    """
    if (graph.height is None) != (graph.width is None):
        raise ModelError(f"{graph.path} takes one side of any size and one of one size; export it with both or neither")
    size = None if graph.height is None or graph.width is None else (graph.height, graph.width)
    height, width = size or _PROBE
    outputs = graph.run(noise(1, height, width))
    by_width = _by_width(graph, outputs)
    if len(by_width[4]) == 1 and len(by_width[2]) == 1 and not by_width[1]:
        fields = _retinaface(graph, by_width, (height, width), findings)
        pixels = choices.pixels(_RETINAFACE_MEAN, 1.0, "BGR", findings)
    elif len(by_width[4]) in _STRIDES and len(by_width[1]) == len(by_width[4]) and not by_width[2]:
        fields = _scrfd(graph, by_width, (height, width), findings)
        pixels = choices.pixels(PIXEL_MEAN, PIXEL_SCALE, "RGB", findings)
    else:
        raise _unknown(graph, outputs)
    findings.found(f"input {graph.input_name}: photographs of {f'{width}x{height}' if size else 'any'} pixels")
    multiple = max(fields["anchors" if "anchors" in fields else "points"].strides)
    # One photograph after the other is shown anyway.
    tensor = PhotographInput(name=graph.input_name, multiple=multiple, size=size, batch=1, **pixels)
    return {"input": tensor, **fields}


Levels = dict[int, list[tuple[str, NDArray[np.float32]]]]


def _by_width(graph: ForeignGraph, outputs: Arrays) -> Levels:
    """The outputs as (rows, width), by their width, those with the most rows first."""
    found: Levels = {1: [], 2: [], 4: [], 10: []}
    for name, value in outputs.items():
        if value.dtype != np.float32 or value.ndim not in (2, 3) or (value.ndim == 3 and len(value) != 1):
            raise _unknown(graph, outputs)
        if value.shape[-1] not in found:
            raise _unknown(graph, outputs)
        if not np.isfinite(value).all():
            raise ModelError(f"{graph.path}: output {name} is not finite for an image of noise; the model is damaged")
        found[value.shape[-1]].append((name, value.reshape(-1, value.shape[-1])))
    for level in found.values():
        level.sort(key=lambda output: -len(output[1]))
    return found


def _retinaface(graph: ForeignGraph, levels: Levels, size: tuple[int, int], findings: Findings) -> Fields:
    ((boxes, offsets),), ((scores, classes),) = levels[4], levels[2]
    landmarks = levels[10][0][0] if levels[10] else None
    _require_multiples(graph, size, _ANCHORS.multiple)
    expected = _ANCHORS.count(*size)
    if {len(value) for values in levels.values() for _, value in values} != {expected} or len(levels[10]) > 1:
        raise ModelError(
            f"{graph.path} is like a RetinaFace, but has {len(offsets)} anchors for {size[1]}x{size[0]} pixels, not "
            f"{expected}: two on each cell of the strides 8, 16 and 32. Describe its anchors in a model.json"
        )
    if (classes < 0).any() or not np.allclose(classes.sum(axis=1), 1, atol=1e-3):
        raise ModelError(f"{graph.path}: {scores} holds no probabilities; export the model with its softmax")
    findings.found(f"like RetinaFace: {boxes}, {scores} of two classes{_with(landmarks)}")
    findings.assume(f"anchors {[list(level) for level in _ANCHORS.sizes]}, variances {list(_ANCHORS.variances)}")
    return {
        "detector": "retinaface",
        "outputs": DetectionOutputs(scores=scores, boxes=boxes, landmarks=landmarks, classes=2),
        "anchors": Anchors(strides=_ANCHORS.strides, sizes=_ANCHORS.sizes, variances=_ANCHORS.variances),
    }


def _scrfd(graph: ForeignGraph, levels: Levels, size: tuple[int, int], findings: Findings) -> Fields:
    count = len(levels[4])
    strides = _STRIDES[count]
    _require_multiples(graph, size, max(strides))
    cells = (size[0] // strides[0]) * (size[1] // strides[0])
    layout = PointLayout(strides, max(1, len(levels[4][0][1]) // max(1, cells)))
    expected = layout.level_counts(*size)
    for outputs in levels.values():
        if outputs and [len(value) for _, value in outputs] != expected:
            raise ModelError(
                f"{graph.path} is like a SCRFD, but has {[len(value) for _, value in outputs]} points for "
                f"{size[1]}x{size[0]} pixels, not {expected}, as strides of {list(strides)} give"
            )
    scores = np.concatenate([value for _, value in levels[1]])
    if scores.min() < 0 or scores.max() > 1:
        raise ModelError(
            f"{graph.path}: {levels[1][0][0]} holds no probabilities but {scores.min():.3g} to {scores.max():.3g}; "
            "export the model with its sigmoid"
        )
    names = {width: tuple(name for name, _ in outputs) for width, outputs in levels.items()}
    findings.found(f"like SCRFD: strides {list(strides)}, {layout.per_cell} points in a cell{_with(names[10] or None)}")
    return {
        "detector": "scrfd",
        "outputs": LevelOutputs(scores=names[1], boxes=names[4], landmarks=names[10] or None),
        "points": Points(strides=strides, per_cell=layout.per_cell),
    }


def _require_multiples(graph: ForeignGraph, size: tuple[int, int], multiple: int) -> None:
    if any(side % multiple for side in size):
        raise ModelError(
            f"{graph.path} takes images of {size[1]}x{size[0]} pixels, which are no multiples of {multiple}; export it "
            "for others, such as 640x640"
        )


def _with(landmarks: object) -> str:
    return ", no landmarks: it cannot align faces" if landmarks is None else ", landmarks"


def _unknown(graph: ForeignGraph, outputs: Arrays) -> ModelError:
    return ModelError(
        f"{graph.path} gives {shapes(outputs)} for one photograph: neither what a RetinaFace gives, (1, A, 4), "
        "(1, A, 2) and (1, A, 10), nor a SCRFD, (A, 1), (A, 4) and (A, 10) for each of 3 or 5 strides"
    )
