"""A published MTCNN: three graphs, one after the other."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.cascade import CascadeSettings, detect_cascade, windows_of
from facejobs.data.detection.detector_description import Cascade, DetectionDescription
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.prediction import RawPredictions
from facejobs.data.detection.test_scale import TestScale, detect_scaled
from facejobs.data.errors import ModelError
from facejobs.data.model_description import DESCRIPTION_NAME
from facejobs.inference.net import open_net, run_net
from facejobs.inference.onnx_graph import OnnxGraph

_AT_ONCE = 256


class MtcnnDetector:
    """May be used from several threads at once."""

    def __init__(
        self,
        folder: Path,
        description: DetectionDescription,
        cascade: Cascade,
        scale: TestScale,
        score: float,
        threads: int | None,
    ) -> None:
        """Load the graphs of `cascade` as `description` says; raises ModelError."""
        self.name = description.detector
        self.folder = folder
        self.description = description
        self.scale = scale
        self.settings = CascadeSettings(
            cascade.smallest_face,
            cascade.pyramid_factor,
            cascade.proposal_threshold,
            cascade.refinement_threshold,
            score,
            description.nms_iou,
        )
        proposal, refinement, output = (open_net(folder / name, description, threads) for name in cascade.graphs)
        self._nets = partial(self._propose, proposal), partial(self._look, refinement), partial(self._look, output)

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of `image`; raises ModelError where a graph's answer is not what model.json says."""
        return detect_scaled(
            lambda shown: detect_cascade(self._nets, shown, self.settings), image, self.scale, self.settings.nms_iou
        )

    def _propose(self, graph: OnnxGraph, images: NDArray[np.uint8]) -> RawPredictions:
        return self._run(graph, images, len(windows_of(images[0])))

    def _look(self, graph: OnnxGraph, images: NDArray[np.uint8]) -> RawPredictions:
        """What R- or O-Net says of n windows, at most 256 at once, however many there are."""
        parts = [self._run(graph, images[first : first + _AT_ONCE], 1) for first in range(0, len(images), _AT_ONCE)]
        landmarks = [part.landmarks for part in parts if part.landmarks is not None]
        return RawPredictions(
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate(landmarks) if landmarks else None,
        )

    def _run(self, graph: OnnxGraph, images: NDArray[np.uint8], windows: int) -> RawPredictions:
        raw = run_net(graph, self.description, images)
        if raw.scores.shape[1] != windows:
            raise ModelError(
                f"{graph.path} gave {raw.scores.shape[1]} scores for an image of {windows} windows; "
                f"{DESCRIPTION_NAME} says that it is a net of MTCNN"
            )
        return raw
