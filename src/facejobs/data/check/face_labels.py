"""The labelled faces of one photograph against the photograph."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facejobs.data.check.findings import Severity
from facejobs.data.check.photographs import PhotographVerdict
from facejobs.data.detection.faces import LabelledImage

# Labels are rounded, and boxes drawn to the last pixel.
_ROUNDING = 1.0
_LANDMARK_SLACK = 0.1

Remark = tuple[Severity, str, str]
"""Severity, kind and message of a finding."""


def check_faces(image: LabelledImage, verdict: PhotographVerdict, stated: tuple[int, int] | None) -> Iterator[Remark]:
    """Yield what is wrong with the labels of a readable photograph; `stated` is the size a label file gives, if any."""
    if verdict.sideways and _fit_only_stored(image, verdict.size, stated):
        yield (
            "error",
            "orientation",
            f"{image.path}: EXIF turns it upright to {_pixels(verdict.size)}, but its labels fit the stored "
            f"{_pixels(verdict.size[::-1])}; labels count pixels of the upright photograph",
        )
        return
    if stated and stated != verdict.size:
        message = f"{image.path}: the label file says {_pixels(stated)}, the photograph is {_pixels(verdict.size)}"
        yield "error", "image-size", message
    height, width = verdict.size
    boxes = image.boxes
    x1, y1, x2, y2 = boxes.T
    empty = (x2 <= x1) | (y2 <= y1)
    outside = ~empty & ((x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height))
    beyond = ~_within(boxes, verdict.size) & ~outside & ~empty
    where = f"the photograph of {_pixels(verdict.size)}"
    yield from _remarks(image, outside, "error", "box-outside", f"lies outside {where}")
    yield from _remarks(image, beyond, "warning", "box-beyond-edge", f"reaches beyond {where}")
    yield from _remarks(image, empty, "warning", "no-area", "has no area; it is ignored")
    yield from _remarks(image, ~empty & _landmarks_astray(image), "warning", "landmarks", "has landmarks outside it")


def _remarks(
    image: LabelledImage, faces: NDArray[np.bool_], severity: Severity, kind: str, what: str
) -> Iterator[Remark]:
    for face in np.flatnonzero(faces):
        x1, y1, x2, y2 = image.boxes[face]
        yield severity, kind, f"{image.path}: the box of face {face + 1} ({x1:g} {y1:g} {x2:g} {y2:g}) {what}"


def _within(boxes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = size
    inside: NDArray[np.bool_] = (boxes[:, :2] >= -_ROUNDING).all(axis=1) & (
        boxes[:, 2:] <= np.array([width, height]) + _ROUNDING
    ).all(axis=1)
    return inside


def _fit_only_stored(image: LabelledImage, upright: tuple[int, int], stated: tuple[int, int] | None) -> bool:
    stored = (upright[1], upright[0])
    if stated is not None and stated != upright:
        return stated == stored
    return bool(not _within(image.boxes, upright).all() and _within(image.boxes, stored).all())


def _landmarks_astray(image: LabelledImage) -> NDArray[np.bool_]:
    """Whether a known landmark is farther outside the box than a tenth of the box's shorter side."""
    corners, others = image.boxes[:, None, :2], image.boxes[:, None, 2:]
    slack = _LANDMARK_SLACK * (others - corners).min(axis=2, keepdims=True)
    astray: NDArray[np.bool_] = ((image.landmarks < corners - slack) | (image.landmarks > others + slack)).any(
        axis=(1, 2)
    )
    return astray


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
