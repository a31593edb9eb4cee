"""Face detectors behind one interface: published models on ONNX Runtime, and OpenCV's cascade by its name."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.prediction import DecodingSettings, RawPredictions
from facejobs.data.detection.test_scale import ORIGINAL, TestScale, detect_at
from facejobs.data.model_artifact import (
    DESCRIPTION_NAME,
    GRAPH_NAME,
    DetectionDescription,
    ModelError,
    find_model_folder,
    load_description,
)
from facejobs.inference.haar import HaarDetector
from facejobs.inference.onnx_graph import OnnxGraph, Sizes
from facejobs.inference.pixels import network_input

HAAR = "haar"


class Detector(Protocol):
    """Finds faces; may be used from several threads at once."""

    @property
    def name(self) -> str:
        """What kind of detector it is."""

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of uint8 (H, W, 3) RGB, in its pixels, the highest score first."""


class OnnxDetector:
    """A published RetinaFace or SSH detector."""

    def __init__(
        self,
        folder: Path,
        description: DetectionDescription,
        graph: OnnxGraph,
        scale: TestScale,
        score_threshold: float | None,
    ) -> None:
        self.name = description.detector
        self.folder = folder
        self.description = description
        self.scale = scale
        self.layout = _layout(folder, description)
        self.settings = DecodingSettings(
            description.score_threshold if score_threshold is None else score_threshold, description.nms_iou
        )
        self.graph = graph

    @classmethod
    def load(
        cls,
        model_folder: Path,
        scale: TestScale = ORIGINAL,
        score_threshold: float | None = None,
        threads: int | None = None,
    ) -> "OnnxDetector":
        """Load model.onnx as `model_folder`/model.json describes it, on the CPU with `threads` (all allowed ones).

        Faces score at least `score_threshold`, by default that of the model. Raises ModelError where a file is missing
        or differs from its digest, where ONNX Runtime cannot read the graph, or where the graph is not what model.json
        says.
        """
        description = load_description(model_folder, DetectionDescription)
        outputs: dict[str, Sizes] = {description.outputs.scores: (None,), description.outputs.boxes: (None, 4)}
        if description.outputs.landmarks is not None:
            outputs[description.outputs.landmarks] = (None, 10)
        graph = OnnxGraph(model_folder / GRAPH_NAME, {description.input.name: (3, None, None)}, outputs, threads)
        return cls(model_folder, description, graph, scale, score_threshold)

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of `image`; raises ModelError where the model's answer is not what model.json says."""
        return detect_at(self.forward, image, self.scale, self.layout, self.settings)

    def forward(self, images: NDArray[np.uint8]) -> RawPredictions:
        """Return what the net says of uint8 (n, H, W, 3) RGB, H and W multiples of the largest stride."""
        tensor = self.description.input
        outputs = self.graph.run({tensor.name: network_input(images, tensor.mean, tensor.scale)})
        scores, boxes = outputs[:2]
        anchors = self.layout.count(*images.shape[1:3])
        if any(output.shape[1] != anchors for output in outputs):
            raise ModelError(
                f"{self.graph.path} gave {scores.shape[1]} scores and {boxes.shape[1]} boxes for an image that has "
                f"{anchors} anchors, as {DESCRIPTION_NAME} lays them out"
            )
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{self.graph.path} gave scores that are not finite: the model is damaged, or its training diverged"
            )
        return RawPredictions(scores, boxes, outputs[2] if len(outputs) > 2 else None)


def open_detector(
    name: str, scale: TestScale = ORIGINAL, score_threshold: float | None = None, threads: int | None = None
) -> Detector:
    """Open the detector called `haar`, or the published one in the model folder or run output `name` (`./haar`, …).

    Faces score at least `score_threshold`, by default that of the model. Raises ModelError.
    """
    if name == HAAR:
        return HaarDetector(scale, score_threshold)
    return OnnxDetector.load(find_model_folder(Path(name)), scale, score_threshold, threads)


def _layout(folder: Path, description: DetectionDescription) -> AnchorLayout:
    anchors = description.anchors
    try:
        layout = AnchorLayout(anchors.strides, anchors.sizes, anchors.variances)
    except ValueError as error:
        raise ModelError(f"{folder / DESCRIPTION_NAME}: anchors: {error}") from None
    if description.input.multiple != layout.multiple:
        raise ModelError(
            f"{folder / DESCRIPTION_NAME}: input.multiple is {description.input.multiple}, "
            f"but the largest stride of the anchors is {layout.multiple}"
        )
    return layout
