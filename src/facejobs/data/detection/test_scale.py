"""The sizes at which a photograph is shown to a detector: what a detector finds depends on them.

`original` shows it as it is. `short-S` scales it to a short side of S pixels, the long one to at most 1.34 S (1600 and
2150 pixels are usual on WIDER FACE). `multi` shows it with short sides of 500, 800, 1100, 1400 and 1700 pixels, and
mirrored, and joins what was found by non-maximum suppression. No scale shows more than 4096 x 4096 pixels.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.mirror import mirror_boxes, mirror_landmarks
from facejobs.data.detection.prediction import DecodingSettings, Forward, Layout, detect_once
from facejobs.data.detection.suppression import suppress
from facejobs.data.errors import RequestError

LONG_TO_SHORT = 2150 / 1600
MULTI_SHORT_SIDES = (500, 800, 1100, 1400, 1700)
MOST_PIXELS = 4096 * 4096
_LARGEST_SHORT_SIDE = 4096


@dataclass(frozen=True, slots=True)
class TestScale:
    """One way of showing photographs; `name` is part of the name of what is measured."""

    __test__ = False  # pytest takes classes of this name for tests

    name: str
    short_sides: tuple[int | None, ...]
    """One pass for each; None is the original size."""
    mirror: bool = False
    """Each pass also on the mirrored photograph."""

    @classmethod
    def parse(cls, name: str) -> "TestScale":
        """Return the scale called `original`, `multi` or `short-S`; raises RequestError for anything else."""
        if name == "original":
            return cls(name, (None,))
        if name == "multi":
            return cls(name, MULTI_SHORT_SIDES, mirror=True)
        match = re.fullmatch(r"short-([1-9][0-9]{0,4})", name, re.ASCII)
        if match is None or int(match[1]) > _LARGEST_SHORT_SIDE:
            raise RequestError(
                f"there is no test scale {name!r}: give original, multi, or short-S, with S the pixels of the short "
                f"side (1 to {_LARGEST_SHORT_SIDE}), such as short-640"
            )
        return cls(name, (int(match[1]),))

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """The (height, width) of each pass over a photograph of `height` x `width` pixels, but for mirrored ones."""
        return [_size(height, width, short_side) for short_side in self.short_sides]


ORIGINAL = TestScale.parse("original")


@dataclass(frozen=True, slots=True)
class FixedSize:
    """Shows every photograph as large as fits into `height` x `width` pixels, its proportions kept."""

    height: int
    width: int
    mirror: bool = False

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """The (height, width) at which a photograph of `height` x `width` pixels is shown."""
        factor = min(self.height / height, self.width / width)
        return [(_within(height * factor, self.height), _within(width * factor, self.width))]


def detect_at(
    forward: Forward,
    image: NDArray[np.uint8],
    scale: TestScale,
    layout: Layout,
    settings: DecodingSettings,
) -> Detections:
    """Return what a net finds in `image` (H, W, 3) RGB shown at `scale`; see `detect_scaled`."""
    return detect_scaled(
        partial(detect_once, forward, layout=layout, settings=settings), image, scale, settings.nms_iou
    )


def detect_scaled(
    detect: Callable[[NDArray[np.uint8]], Detections],
    image: NDArray[np.uint8],
    scale: TestScale | FixedSize,
    nms_iou: float,
) -> Detections:
    """Return what `detect` finds in `image` (H, W, 3) RGB shown at `scale`, in pixels of `image`.

    Boxes are cut to the borders of the image; those outside are dropped.
    """
    found = []
    for height, width in scale.sizes(*image.shape[:2]):
        shown = _resize(image, height, width)
        found.append(_in_original(detect(shown), shown.shape, image.shape))
        if scale.mirror:
            mirrored = _in_original(detect(cv2.flip(shown, 1)), shown.shape, image.shape)
            found.append(_mirror(mirrored, image.shape[1]))
    return found[0] if len(found) == 1 else _join(found, nms_iou)


def _size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    short, long = sorted((height, width))
    factor = 1.0 if short_side is None else min(short_side / short, short_side * LONG_TO_SHORT / long)
    factor = min(factor, math.sqrt(MOST_PIXELS / (height * width)))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _within(side: float, most: int) -> int:
    return min(max(1, round(side)), most)


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = cv2.resize(image, (width, height), interpolation=method)
    return resized


def _in_original(found: Detections, shown: tuple[int, ...], original: tuple[int, ...]) -> Detections:
    """Detections in a photograph shown with one shape, in pixels of its original shape."""
    corner = np.array([original[1], original[0]], np.float32)
    ratio = corner / np.array([shown[1], shown[0]], np.float32)
    boxes = np.clip(found.boxes * np.tile(ratio, 2), 0, np.tile(corner, 2))
    visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    landmarks = None if found.landmarks is None else (found.landmarks * ratio)[visible]
    return Detections(boxes[visible], found.scores[visible], landmarks)


def _mirror(found: Detections, width: int) -> Detections:
    landmarks = None if found.landmarks is None else mirror_landmarks(found.landmarks, width)
    return Detections(mirror_boxes(found.boxes, width), found.scores, landmarks)


def _join(found: list[Detections], nms_iou: float) -> Detections:
    boxes = np.concatenate([part.boxes for part in found])
    scores = np.concatenate([part.scores for part in found])
    kept = suppress(boxes, scores, nms_iou)
    landmarks = [part.landmarks for part in found if part.landmarks is not None]
    joined = np.concatenate(landmarks)[kept] if landmarks else None
    return Detections(boxes[kept], scores[kept], joined)
