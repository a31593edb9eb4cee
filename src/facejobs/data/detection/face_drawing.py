"""Faces drawn into photographs: boxes, landmarks, and scores wherever one fits beside its box."""

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]

FOUND: Colour = (60, 255, 90)
_DARK: Colour = (0, 0, 0)
_LEFT: Colour = (255, 225, 40)
_RIGHT: Colour = (60, 200, 255)
_NOSE: Colour = (255, 90, 220)
_POINT_COLOURS = (_LEFT, _RIGHT, _NOSE, _LEFT, _RIGHT)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 30  # pixels from the foot of a descender to the top of a capital, at scale 1
_SMALLEST_TEXT = 10


def draw_detections(image: NDArray[np.uint8], found: Detections) -> NDArray[np.uint8]:
    """Return a copy of `image` (H, W, 3) RGB with each face's box, landmarks and score."""
    canvas = image.copy()
    for box in found.boxes[::-1]:
        draw_box(canvas, box, FOUND)
    for points, box in zip(() if found.landmarks is None else found.landmarks, found.boxes, strict=False):
        draw_landmarks(canvas, points, box)
    draw_labels(canvas, found.boxes, [f"{score:.2f}" for score in found.scores], FOUND)
    return canvas


def draw_box(canvas: NDArray[np.uint8], box: NDArray[np.float32], colour: Colour) -> None:
    """Draw one box (4,) x1 y1 x2 y2 with a dark edge, so that it is seen on any ground."""
    thickness = _thickness(canvas, box)
    (left, top), (right, bottom) = _pixel(box[:2]), _pixel(box[2:])
    cv2.rectangle(canvas, (left, top), (right, bottom), _DARK, thickness + 2 * math.ceil(thickness / 3))
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, thickness)


def draw_labels(canvas: NDArray[np.uint8], boxes: NDArray[np.float32], texts: Iterable[str], colour: Colour) -> None:
    """Write each text above or below its box, where it covers no box and no other text; else leave it out.

    The first texts choose first.
    """
    taken = [(*_pixel(box[:2]), *_pixel(box[2:])) for box in boxes]
    for box, text in zip(list(taken), texts, strict=True):
        height = text_height(canvas, box)
        place = free_place(canvas, box, _text_size(text, height), taken)
        if place is not None:
            taken.append(place)
            _write(canvas, place, text, height, colour)


def draw_landmarks(canvas: NDArray[np.uint8], points: NDArray[np.float32], box: NDArray[np.float32]) -> None:
    """Draw the landmarks (5, 2) of the face in `box` (4,), those of the left and the right in colours of their own."""
    radius = max(1, round(float(min(box[2:] - box[:2])) / 40))
    for point, colour in zip(points, _POINT_COLOURS, strict=True):
        if np.isfinite(point).all():
            cv2.circle(canvas, _pixel(point), radius + math.ceil(radius / 3), _DARK, -1, cv2.LINE_AA)
            cv2.circle(canvas, _pixel(point), radius, colour, -1, cv2.LINE_AA)


def _pixel(point: NDArray[np.float32]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _unit(canvas: NDArray[np.uint8]) -> float:
    """What is as thin as can be on a picture of this size and still well seen when all of it is shown."""
    return math.hypot(*canvas.shape[:2]) / 600


def _thickness(canvas: NDArray[np.uint8], box: NDArray[np.float32]) -> int:
    side = float(min(box[2:] - box[:2]))
    return max(1, round(min(_unit(canvas), side / 25)))


def text_height(canvas: NDArray[np.uint8], box: Rectangle) -> int:
    """Pixels of the capitals of what is written beside `box`, so that it is read when all of the picture is shown."""
    return max(_SMALLEST_TEXT, round(min(10 * _unit(canvas), (box[3] - box[1]) / 4)))


def _text_size(text: str, height: int) -> tuple[int, int]:
    (width, _), _ = cv2.getTextSize(text, _FONT, height / _FONT_HEIGHT, _stroke(height))
    return width + height // 3, height + height // 4


def _stroke(height: int) -> int:
    return max(1, round(height / 14))


def free_place(
    canvas: NDArray[np.uint8], box: Rectangle, size: tuple[int, int], taken: list[Rectangle]
) -> Rectangle | None:
    """A place for a text of `size` (width, height) above or below `box`, off all that is `taken`; None without one."""
    width, height = size
    left = max(0, min(box[0], canvas.shape[1] - width))
    for top in (box[1] - height - 1, box[3] + 2):
        place = (left, top, left + width, top + height)
        inside = top >= 0 and place[3] <= canvas.shape[0] and place[2] <= canvas.shape[1]
        if inside and not any(_overlap(place, other) for other in taken):
            return place
    return None


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _write(canvas: NDArray[np.uint8], place: Rectangle, text: str, height: int, colour: Colour) -> None:
    left, top, right, bottom = place
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), _DARK, -1)
    origin = (left + height // 6, bottom - height // 3)
    cv2.putText(canvas, text, origin, _FONT, height / _FONT_HEIGHT, colour, _stroke(height), cv2.LINE_AA)
