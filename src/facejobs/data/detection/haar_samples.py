"""What OpenCV's tools train a Haar cascade on: grey faces of one size, and grey pictures without any face.

Their list files hold paths that must be free of blanks, and their readers know neither EXIF nor 16 bits; so that faces
and backgrounds are cut out here, and written as PNG.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.photographs import read_photograph
from facejobs.data.epoch_order import random_stream
from facejobs.data.errors import DataError

POSITIVES = "faces.txt"
"""The list of faces, as `opencv_createsamples -info` reads it."""
NEGATIVES = "backgrounds.txt"
"""The list of backgrounds, as `opencv_traincascade -bg` reads it."""

_HEAVY_BLUR = 1.0
_ATTEMPTS = 100
_BACKGROUNDS_EACH = 3
_LARGEST_BACKGROUND = 480
_STREAM = 9


@dataclass(frozen=True, slots=True)
class HaarSamples:
    """How many pictures were written."""

    positives: int
    negatives: int


def write_haar_samples(
    folder: Path, split: DetectionSplit, window: tuple[int, int], seed: int, check_stop: Callable[[], None]
) -> HaarSamples:
    """Write pictures and lists into `folder`, from the photographs of `split`; paths in the lists are relative to it.

    A positive is a labelled face at least as large as `window` (width, height), neither ignored nor heavily blurred,
    scaled to it, and its mirror image. A negative is a random rectangle of a photograph which no labelled box touches;
    all photographs show up to three. `check_stop` is called before each photograph. Raises DataError where there is no
    face, or no background.
    """
    for name in ("faces", "backgrounds"):
        (folder / name).mkdir()
    positives: list[str] = []
    negatives: list[str] = []
    for number, image in enumerate(split.images):
        check_stop()
        grey = cv2.cvtColor(read_photograph(split.path_of(image)), cv2.COLOR_RGB2GRAY)
        for face in _faces(grey, image, window):
            for view in (face, cv2.flip(face, 1)):
                positives.append(f"faces/{len(positives):06d}.png")
                _write(folder / positives[-1], view)
        random = random_stream(seed, _STREAM, number)
        for left, top, right, bottom in find_backgrounds(grey.shape, image.boxes, window, random):
            negatives.append(f"backgrounds/{len(negatives):06d}.png")
            _write(folder / negatives[-1], _reduced(grey[top:bottom, left:right], window))
    if not positives or not negatives:
        what = "no face that is" if not positives else "no background that is"
        raise DataError(f"{split.folder}: {what} large enough to train a cascade of {window[0]}x{window[1]} pixels")
    width, height = window
    (folder / POSITIVES).write_text("".join(f"{name} 1 0 0 {width} {height}\n" for name in positives))
    (folder / NEGATIVES).write_text("".join(f"{name}\n" for name in negatives))
    return HaarSamples(len(positives), len(negatives))


def find_backgrounds(
    shape: tuple[int, ...], boxes: NDArray[np.float32], window: tuple[int, int], random: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    """Return up to three different rectangles (left, top, right, bottom) of an image that no box touches, large first.

    Each is at least twice as wide and high as `window`, so that it holds several of them; rectangles may overlap.
    """
    height, width = shape[:2]
    smallest = np.array([2 * window[0], 2 * window[1]])
    room = np.array([width, height]) - smallest
    if (room < 0).any():
        return []
    draws = random.random((_ATTEMPTS, 4))
    sides = smallest + (draws[:, :2] * (room + 1)).astype(np.int64)
    corner = (draws[:, 2:] * (np.array([width, height]) - sides + 1)).astype(np.int64)
    rectangles = np.concatenate([corner, corner + sides], axis=1)
    touching = (
        ((rectangles[:, None, :2] < boxes[None, :, 2:]) & (rectangles[:, None, 2:] > boxes[None, :, :2]))
        .all(axis=2)
        .any(axis=1)
    )
    free = rectangles[~touching]
    largest = np.argsort(-np.prod(free[:, 2:] - free[:, :2], axis=1), kind="stable")
    distinct = dict.fromkeys(
        (int(left), int(top), int(right), int(bottom)) for left, top, right, bottom in free[largest]
    )
    return list(distinct)[:_BACKGROUNDS_EACH]


def _faces(grey: NDArray[np.uint8], image: LabelledImage, window: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    height, width = grey.shape
    # A blur that is not known is NaN, which is not heavy.
    for box in image.boxes[~image.ignored & ~(image.blur >= _HEAVY_BLUR)]:
        left, top = (max(0, round(float(side))) for side in box[:2])
        right, bottom = min(width, round(float(box[2]))), min(height, round(float(box[3])))
        if right - left >= window[0] and bottom - top >= window[1]:
            yield cv2.resize(grey[top:bottom, left:right], window, interpolation=cv2.INTER_AREA)


def _reduced(background: NDArray[np.uint8], window: tuple[int, int]) -> NDArray[np.uint8]:
    """Large ones smaller, but never less than twice the window: the tool cuts windows out at all scales anyway."""
    height, width = background.shape
    factor = max(_LARGEST_BACKGROUND / max(height, width), 2 * window[0] / width, 2 * window[1] / height)
    if factor >= 1:
        return background
    reduced: NDArray[np.uint8] = cv2.resize(background, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return reduced


def _write(path: Path, grey: NDArray[np.uint8]) -> None:
    # Not by OpenCV, which says of a full disk only that it failed.
    path.write_bytes(cv2.imencode(".png", grey)[1].tobytes())
