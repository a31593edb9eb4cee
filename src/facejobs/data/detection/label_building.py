"""Labels of one photograph as a reader collects them, whatever file they come from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from facejobs.data.detection.faces import LANDMARKS, LabelledImage

Point = tuple[float, float]

UNKNOWN: Point = (math.nan, math.nan)
NO_LANDMARKS = (UNKNOWN,) * LANDMARKS

_FARTHEST = 1e6
_LONGEST_SIDE = len("100000")


@dataclass(slots=True)
class LabelBuilder:
    """Collects the faces of one image; `path` and `line` as in LabelledImage."""

    path: str
    line: int
    _boxes: list[tuple[float, ...]] = field(default_factory=list)
    _landmarks: list[tuple[Point, ...]] = field(default_factory=list)
    _blur: list[float] = field(default_factory=list)
    _ignored: list[bool] = field(default_factory=list)
    _attributes: list[Sequence[float]] = field(default_factory=list)

    def add(
        self,
        box: tuple[float, float, float, float],
        ignored: bool = False,
        landmarks: tuple[Point, ...] = NO_LANDMARKS,
        blur: float = math.nan,
        attributes: Sequence[float] = (),
    ) -> None:
        """Add a face by x1, y1, x2, y2; one without area is ignored. ValueError for a box of negative size.

        `attributes` are WIDER FACE's six, given for all faces of an image or for none.
        """
        left, top, right, bottom = box
        if right < left or bottom < top:
            raise ValueError(f"a box {right - left:g} wide and {bottom - top:g} high; sizes must not be negative")
        self._boxes.append(box)
        self._landmarks.append(landmarks)
        self._blur.append(blur if 0 <= blur <= 1 else math.nan)
        self._ignored.append(ignored)
        if attributes:
            self._attributes.append(attributes)

    def labelled(self) -> LabelledImage:
        """The image with the faces added so far."""
        boxes = np.array(self._boxes, np.float32).reshape(-1, 4)
        without_area = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
        return LabelledImage(
            self.path,
            self.line,
            boxes,
            np.array(self._landmarks, np.float32).reshape(-1, LANDMARKS, 2),
            np.array(self._blur, np.float32),
            np.array(self._ignored, np.bool_) | without_area,
            np.array(self._attributes, np.float32) if self._attributes else None,
        )


def require_pixels(values: list[float]) -> None:
    """Raise ValueError for a value that is NaN, infinite, or farther away than any photograph reaches."""
    # The sum is NaN where a value is, whatever max makes of it.
    if not (math.isfinite(sum(values)) and max(map(abs, values), default=0.0) <= _FARTHEST):
        wrong = next(value for value in values if not abs(value) <= _FARTHEST)
        raise ValueError(f"{wrong:g} is no number of pixels")


def parse_side(text: str) -> int | None:
    """Return the side of a photograph, a whole number above 0; None for any other text."""
    return int(text) or None if text.isdecimal() and len(text) <= _LONGEST_SIDE else None


def require_inside(path: str) -> None:
    """Raise ValueError for a path that does not lead below the folder of images."""
    if not path or path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{path!r} is no path below the folder of images")
