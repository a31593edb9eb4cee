"""A cascade of Haar features (Viola and Jones, CVPR 2001) as OpenCV stores and runs it, and its model.json."""

import threading
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.overlap import intersection_over_union
from facejobs.data.detection.suppression import suppress
from facejobs.data.errors import ModelError
from facejobs.data.model_description import Description, Finite

CASCADE_NAME = "cascade.xml"
NMS_IOU = 0.3
"""Groups of windows that overlap by more are one face."""
_SCALE_STEP = 1.1
_NEIGHBOURS = 3
_LIKE = 0.2
_MOST_WINDOWS = 5000
_HALF = 0.5


class HaarDescription(Description):
    """The whole of a Haar cascade's model.json.

    A face is what scores at least `score_threshold`, or, where that is None, whatever passes all stages. `window`:
    width and height of the smallest face that it finds, in pixels.
    """

    task: Literal["detection"] = "detection"
    detector: Literal["haar"] = "haar"
    window: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    score_threshold: Finite | None = None

    @property
    def graphs(self) -> tuple[str, ...]:
        """The file that holds the cascade."""
        return (CASCADE_NAME,)


class HaarCascade:
    """May be used from several threads at once."""

    def __init__(self, path: Path) -> None:
        """Load a cascade; raises ModelError where OpenCV cannot."""
        try:
            self._cascade = cv2.CascadeClassifier(str(path))
            loaded = not self._cascade.empty()
        except (cv2.error, SystemError):  # the second where the file is no XML, YAML or JSON
            loaded = False
        if not loaded:
            raise ModelError(f"{path} is missing, damaged, or no cascade that OpenCV reads")
        width, height = self._cascade.getOriginalWindowSize()
        self.window: tuple[int, int] = (width, height)
        # A cascade keeps the image it works on.
        self._lock = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the faces of `image` (H, W, 3) RGB as it is, in its pixels, the highest score first; no landmarks.

        A face is a group of more than 3 windows of like size and place that pass all stages, as OpenCV groups them. Its
        score is the highest of the windows that it overlaps by half: the sum of the last stage.
        """
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        with self._lock:
            passed, _, sums = self._cascade.detectMultiScale3(
                grey, scaleFactor=_SCALE_STEP, minNeighbors=0, outputRejectLevels=True
            )
        windows = np.array(passed, np.int32).reshape(-1, 4)
        weights = np.array(sums, np.float32).reshape(-1)
        # Grouping compares each window with each; a cascade of few stages lets hundreds of thousands pass.
        best = np.argsort(-weights, kind="stable")[:_MOST_WINDOWS]
        windows, weights = windows[best], weights[best]
        groups, _ = cv2.groupRectangles(windows.tolist(), _NEIGHBOURS, _LIKE)
        boxes = _corners(np.array(groups, np.int32).reshape(-1, 4))
        shared = intersection_over_union(boxes, _corners(windows))
        # The mean of a group that is scattered widely may overlap none of its windows by half.
        least = np.minimum(_HALF, shared.max(axis=1, initial=0, keepdims=True))
        scores = np.where(shared >= least, weights, -np.inf).max(axis=1, initial=-np.inf).astype(np.float32)
        kept = suppress(boxes, scores, NMS_IOU)
        return Detections(boxes[kept], scores[kept], None)


def _corners(windows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Left, top, right, bottom of windows (N, 4) given by left, top, width, height."""
    corners: NDArray[np.int32] = np.concatenate([windows[:, :2], windows[:, :2] + windows[:, 2:]], axis=1)
    return corners.astype(np.float32)
