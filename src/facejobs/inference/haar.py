"""Haar cascades as detectors: the one that OpenCV brings, and those that were trained."""

from pathlib import Path

import cv2.data
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.haar_cascade import CASCADE_NAME, NMS_IOU, HaarCascade, HaarDescription
from facejobs.data.detection.test_scale import ORIGINAL, TestScale, detect_scaled
from facejobs.data.errors import ModelError

_SHIPPED = "haarcascade_frontalface_default.xml"


class HaarDetector:
    """Scores are sums of the cascade's last stage; there are no landmarks. May be used from several threads at once."""

    name = "haar"

    def __init__(
        self,
        scale: TestScale = ORIGINAL,
        score_threshold: float | None = None,
        published: tuple[Path, HaarDescription] | None = None,
    ) -> None:
        """Load the `published` cascade, a model folder and its description, or OpenCV's own for frontal faces.

        Faces score at least `score_threshold`, by default that of the model; OpenCV's cascade has none. Raises
        ModelError where the cascade is missing or damaged.
        """
        self.scale = scale
        self.published = published
        if score_threshold is None and published is not None:
            score_threshold = published[1].score_threshold
        self.score_threshold = -np.inf if score_threshold is None else score_threshold
        self._cascade = _shipped() if published is None else HaarCascade(published[0] / CASCADE_NAME)

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of uint8 (H, W, 3) RGB, in its pixels, the highest score first."""
        found = detect_scaled(self._cascade.detect, image, self.scale, NMS_IOU)
        good = found.scores >= self.score_threshold
        return Detections(found.boxes[good], found.scores[good], None)


def _shipped() -> HaarCascade:
    path = Path(cv2.data.haarcascades) / _SHIPPED
    try:
        return HaarCascade(path)
    except ModelError:
        raise ModelError(
            f"{path} is missing or damaged: it belongs to opencv-python-headless, install that again"
        ) from None
