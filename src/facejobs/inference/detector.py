"""Face detectors behind one interface: published nets on ONNX Runtime, Haar cascades, and OpenCV's own by its name."""

from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.detector_description import DetectionDescription, LevelOutputs
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.haar_cascade import HaarDescription
from facejobs.data.detection.points import PointLayout
from facejobs.data.detection.prediction import DecodingSettings, RawPredictions, detect_once
from facejobs.data.detection.test_scale import ORIGINAL, FixedSize, TestScale, detect_at, detect_scaled
from facejobs.data.errors import ModelError
from facejobs.data.model_description import DESCRIPTION_NAME, GRAPH_NAME
from facejobs.data.model_folder import find_model_folder, load_detector
from facejobs.inference.haar import HaarDetector
from facejobs.inference.level_net import run_level_net
from facejobs.inference.mtcnn import MtcnnDetector
from facejobs.inference.net import open_net, run_net

HAAR = "haar"


class Detector(Protocol):
    """Finds faces; may be used from several threads at once."""

    @property
    def name(self) -> str:
        """What kind of detector it is."""

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of uint8 (H, W, 3) RGB, in its pixels, the highest score first."""


class OnnxDetector:
    """A published detector of one graph: RetinaFace, SSH or SCRFD."""

    def __init__(
        self, folder: Path, description: DetectionDescription, scale: TestScale, score: float, threads: int | None
    ) -> None:
        """Load model.onnx as `description` says; raises ModelError."""
        self.name = description.detector
        self.folder = folder
        self.description = description
        self.scale = scale
        self.layout = _layout(folder, description)
        self.settings = DecodingSettings(score, description.nms_iou)
        self.graph = open_net(folder / GRAPH_NAME, description, threads)

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of `image`; raises ModelError where the model's answer is not what model.json says."""
        size = self.description.input.size
        if size is None:
            return detect_at(self.forward, image, self.scale, self.layout, self.settings)
        padded = partial(detect_once, self.forward, layout=self.layout, settings=self.settings, size=size)
        fitted = partial(detect_scaled, padded, scale=FixedSize(*size), nms_iou=self.settings.nms_iou)
        return detect_scaled(fitted, image, self.scale, self.settings.nms_iou)

    def forward(self, images: NDArray[np.uint8]) -> RawPredictions:
        """Return what the net says of uint8 (n, H, W, 3) RGB, H and W multiples of the largest stride, or the size that
        model.json fixes.
        """
        names, layout = self.description.outputs, self.layout
        if isinstance(names, LevelOutputs):
            assert isinstance(layout, PointLayout)
            return run_level_net(self.graph, self.description.input, names, layout, images)
        raw = run_net(self.graph, self.description, images)
        anchors = layout.count(*images.shape[1:3])
        if raw.scores.shape[1] != anchors or raw.boxes.shape[1] != anchors:
            raise ModelError(
                f"{self.graph.path} gave {raw.scores.shape[1]} scores and {raw.boxes.shape[1]} boxes for an image that "
                f"has {anchors} anchors, as {DESCRIPTION_NAME} lays them out"
            )
        return raw


PublishedDetector = OnnxDetector | MtcnnDetector


def open_detector(
    name: str, scale: TestScale = ORIGINAL, score_threshold: float | None = None, threads: int | None = None
) -> Detector:
    """Open the detector called `haar`, or the published one in the model folder or run output `name` (`./haar`, …).

    Faces score at least `score_threshold`, by default that of the model. Raises ModelError.
    """
    if name == HAAR:
        return HaarDetector(scale, score_threshold)
    return open_published(find_model_folder(Path(name)), scale, score_threshold, threads)


def open_to_measure(name: str, scale: TestScale) -> Detector:
    """Open a detector, as `open_detector` does, that also gives the weak detections which average precision needs."""
    if name == HAAR:
        return HaarDetector(scale)
    detector = open_published(find_model_folder(Path(name)), scale, DecodingSettings().score_threshold)
    if isinstance(detector, HaarDetector):
        detector.score_threshold = -np.inf
    return detector


def open_published(
    folder: Path, scale: TestScale = ORIGINAL, score_threshold: float | None = None, threads: int | None = None
) -> PublishedDetector | HaarDetector:
    """Open the detector in the model folder `folder`, as `open_detector` does."""
    description = load_detector(folder)
    if isinstance(description, HaarDescription):
        return HaarDetector(scale, score_threshold, (folder, description))
    score = description.score_threshold if score_threshold is None else score_threshold
    if description.cascade is not None:
        return MtcnnDetector(folder, description, description.cascade, scale, score, threads)
    return OnnxDetector(folder, description, scale, score, threads)


def _layout(folder: Path, description: DetectionDescription) -> AnchorLayout | PointLayout:
    anchors, points = description.anchors, description.points
    kind = "anchors" if points is None else "points"
    layout: AnchorLayout | PointLayout
    try:
        if points is not None:
            layout = PointLayout(points.strides, points.per_cell)
        else:
            assert anchors is not None
            layout = AnchorLayout(anchors.strides, anchors.sizes, anchors.variances)
    except ValueError as error:
        raise ModelError(f"{folder / DESCRIPTION_NAME}: {kind}: {error}") from None
    if description.input.multiple != layout.multiple:
        raise ModelError(
            f"{folder / DESCRIPTION_NAME}: input.multiple is {description.input.multiple}, "
            f"but the largest stride of the {kind} is {layout.multiple}"
        )
    return layout
