"""From what a detection net says of every anchor to the faces of one photograph."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import decode_boxes, decode_landmarks
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.suppression import suppress
from facejobs.data.normalization import PADDING


@dataclass(frozen=True, slots=True, eq=False)
class RawPredictions:
    """The outputs of a net for n images of one size with A anchors each.

    `scores` (n, A) are probabilities of a face. `boxes` (n, A, 4) and `landmarks` (n, A, 10) are relative to the
    anchors (see box_coding); `landmarks` is None from a net that gives none.
    """

    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None


Forward = Callable[[NDArray[np.uint8]], RawPredictions]
"""A net: uint8 (n, H, W, 3) RGB, H and W multiples of the largest stride, to its outputs."""


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
    raw: RawPredictions, index: int, layout: AnchorLayout, size: tuple[int, int], settings: DecodingSettings
) -> Detections:
    """Return the faces of image `index`, whose net input was `size` (height, width) pixels, in pixels of that input.

    Only anchors above the threshold are decoded. Boxes may reach beyond the image.
    """
    scores = raw.scores[index]
    chosen = np.flatnonzero(scores >= settings.score_threshold)
    best_first = np.argsort(-scores[chosen], kind="stable")[: settings.most_candidates]
    chosen = chosen[best_first]
    anchors = layout.boxes(*size)[chosen]
    boxes = decode_boxes(raw.boxes[index, chosen], anchors, layout.variances)
    kept = suppress(boxes, scores[chosen], settings.nms_iou)
    landmarks = None
    if raw.landmarks is not None:
        landmarks = decode_landmarks(raw.landmarks[index, chosen[kept]], anchors[kept], layout.variances)
    return Detections(boxes[kept], scores[chosen[kept]], landmarks)


def detect_once(
    forward: Forward, image: NDArray[np.uint8], layout: AnchorLayout, settings: DecodingSettings
) -> Detections:
    """Return the faces of `image` (H, W, 3) RGB as the net sees it at this size, in its pixels.

    What the net needs is added at the right and the bottom. Boxes may reach beyond the image.
    """
    down, right = (-side % layout.multiple for side in image.shape[:2])
    if down or right:
        border = cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
        image = cv2.copyMakeBorder(image, 0, down, 0, right, border, value=(PADDING,) * 3)
    return decode_predictions(forward(image[None]), 0, layout, (image.shape[0], image.shape[1]), settings)
