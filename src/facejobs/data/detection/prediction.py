"""From what a detection net says of every anchor to the faces of one photograph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.suppression import suppress
from facejobs.data.normalization import PADDING


@dataclass(frozen=True, slots=True, eq=False)
class RawPredictions:
    """The outputs of a net for n images of one size with A anchors, or points, each.

    `scores` (n, A) are probabilities of a face. `boxes` (n, A, 4) and `landmarks` (n, A, 10) are relative to the
    anchors (see box_coding) or points; `landmarks` is None from a net that gives none.
    """

    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None


Forward = Callable[[NDArray[np.uint8]], RawPredictions]
"""A net: uint8 (n, H, W, 3) RGB, H and W multiples of the largest stride, to its outputs."""


class Layout(Protocol):
    """Where in an image the anchors or points of a net lie, and what it says of them: AnchorLayout, PointLayout."""

    @property
    def multiple(self) -> int:
        """What the height and the width of an image are multiples of."""

    def decode_boxes(
        self, deltas: NDArray[np.float32], chosen: NDArray[np.intp], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return boxes (n, 4) x1 y1 x2 y2 in pixels of an image of `size` (height, width)."""

    def decode_landmarks(
        self, deltas: NDArray[np.float32], chosen: NDArray[np.intp], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return landmarks (n, 5, 2) in pixels of an image of `size` (height, width)."""


@dataclass(frozen=True, slots=True)
class DecodingSettings:
    """Which anchors become faces."""

    score_threshold: float = 0.02
    """Anchors below it are no faces. Average precision is measured with a low one, so that it sees weak detections."""
    nms_iou: float = 0.4
    """Of two boxes that overlap by more than this only the better one is kept."""
    most_candidates: int = 5000
    """So many of the best anchors take part in the suppression; the others are dropped."""


def decode_predictions(
    raw: RawPredictions, index: int, layout: Layout, size: tuple[int, int], settings: DecodingSettings
) -> Detections:
    """Return the faces of image `index`, whose net input was `size` (height, width) pixels, in pixels of that input.

    Only anchors above the threshold are decoded. Boxes may reach beyond the image.
    """
    scores = raw.scores[index]
    chosen = np.flatnonzero(scores >= settings.score_threshold)
    best_first = np.argsort(-scores[chosen], kind="stable")[: settings.most_candidates]
    chosen = chosen[best_first]
    boxes = layout.decode_boxes(raw.boxes[index, chosen], chosen, size)
    kept = suppress(boxes, scores[chosen], settings.nms_iou)
    landmarks = None
    if raw.landmarks is not None:
        landmarks = layout.decode_landmarks(raw.landmarks[index, chosen[kept]], chosen[kept], size)
    return Detections(boxes[kept], scores[chosen[kept]], landmarks)


def detect_once(
    forward: Forward,
    image: NDArray[np.uint8],
    layout: Layout,
    settings: DecodingSettings,
    size: tuple[int, int] | None = None,
) -> Detections:
    """Return the faces of `image` (H, W, 3) RGB as the net sees it at this size, in its pixels.

    What the net needs is added at the right and the bottom, up to `size` (height, width) where it takes no other. Boxes
    may reach beyond the image.
    """
    height, width = image.shape[:2]
    down, right = (-height % layout.multiple, -width % layout.multiple)
    if size is not None:
        down, right = size[0] - height, size[1] - width
    if down or right:
        border = cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
        image = cv2.copyMakeBorder(image, 0, down, 0, right, border, value=(PADDING,) * 3)
    return decode_predictions(forward(image[None]), 0, layout, (image.shape[0], image.shape[1]), settings)
