"""OpenCV's frontal face cascade of Haar features (Viola and Jones, CVPR 2001) as a detector."""

import threading
from pathlib import Path

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.suppression import suppress
from facejobs.data.detection.test_scale import ORIGINAL, TestScale, detect_scaled
from facejobs.data.errors import ModelError

_CASCADE = "haarcascade_frontalface_default.xml"
_SCALE_STEP = 1.1
_NMS_IOU = 0.3


class HaarDetector:
    """Needs no model folder and no training. Scores are the sums of the cascade's last stage; no landmarks."""

    name = "haar"

    def __init__(self, scale: TestScale = ORIGINAL, score_threshold: float | None = None) -> None:
        """Load the cascade that OpenCV brings; raises ModelError where this OpenCV brings none."""
        path = Path(cv2.data.haarcascades) / _CASCADE
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path} is missing or damaged: it belongs to opencv-python-headless, install that again")
        # A cascade keeps the image it works on.
        self._lock = threading.Lock()
        self.scale = scale
        self.score_threshold = -np.inf if score_threshold is None else score_threshold

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of uint8 (H, W, 3) RGB, in its pixels, the highest score first."""
        return detect_scaled(self._detect_once, image, self.scale, _NMS_IOU)

    def _detect_once(self, image: NDArray[np.uint8]) -> Detections:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        with self._lock:
            found, _, weights = self._cascade.detectMultiScale3(
                grey, scaleFactor=_SCALE_STEP, minNeighbors=0, outputRejectLevels=True
            )
        corners = np.array(found, np.float32).reshape(-1, 4)
        scores = np.array(weights, np.float32).reshape(-1)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
        good = scores >= self.score_threshold
        kept = suppress(boxes[good], scores[good], _NMS_IOU)
        return Detections(boxes[good][kept], scores[good][kept], None)
