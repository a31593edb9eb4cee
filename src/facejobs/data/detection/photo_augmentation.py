"""Random square crops of photographs, mirrored and scaled to what a detector is trained on (RetinaFace, CVPR 2020)."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.augmentation import ColourJitter
from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.mirror import mirror_boxes, mirror_landmarks
from facejobs.data.epoch_order import AUGMENTATION_STREAM, random_stream
from facejobs.data.normalization import PADDING

_ATTEMPTS = 100
_ROUNDING = 1e-3


class Crop(NamedTuple):
    """Which part of a photograph becomes which part of a square image; the rest of the square is padding.

    Rectangles are left, top, right, bottom in whole pixels of the photograph and of the square. The square is
    mirrored last.
    """

    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]
    mirror: bool

    def shrinks_by(self, factor: int) -> bool:
        """Whether the part is shown at most 1 / `factor` as large along both axes; always true of 1."""
        (x, y, right, bottom), (left, top, end, base) = self.source, self.target
        return factor == 1 or min((right - x) / (end - left), (bottom - y) / (base - top)) >= factor

    def of_blocks(self, factor: int) -> "Crop":
        """The same crop, its source widened to whole blocks of `factor` x `factor` pixels, as counted from the corner.

        It may end beyond the photograph by less than a block.
        """
        left, top, right, bottom = self.in_reduced(factor).source
        return self._replace(source=(left * factor, top * factor, right * factor, bottom * factor))

    def in_reduced(self, factor: int) -> "Crop":
        """The crop in a photograph of which each pixel is a block of `factor` x `factor` pixels."""
        left, top, right, bottom = self.source
        return self._replace(source=(left // factor, top // factor, -(-right // factor), -(-bottom // factor)))


class CroppedFaces(NamedTuple):
    """The faces of a crop, in its pixels, in the form of a LabelledImage."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PhotoDraws:
    """Random numbers for the N images of a step, which become crops once their photographs are read."""

    size: int
    """Width and height of all images of the step, in pixels."""
    mirror: NDArray[np.bool_]
    attempts: NDArray[np.float32]
    """(N, attempts, 3) in 0..1: the scale of a crop to try, and where its left and top edges are to be."""
    gain: NDArray[np.float32]
    """(N, 3): applied as (pixel - 127.5) / 128 * gain + bias, channels in RGB order."""
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class PhotoAugmentation(ColourJitter):
    """How photographs are varied; without `crop_scales` they are shown whole, 0 or False turns a variation off."""

    brightness: float = 0.25
    contrast: float = 0.4
    colour: float = 0.15
    crop_scales: tuple[float, ...] = (0.3, 0.45, 0.6, 0.8, 1.0)
    """Widths of the crops to try, in short sides of the photograph; above 1, more is padded than must be."""
    mirror: bool = True
    """Mirror every other image, on average."""
    smallest_face: float = 5.0
    """Faces less wide or less high than this, in pixels of the image trained on, are ignored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not scale > 0 for scale in self.crop_scales):
            raise ValueError(f"the crop scales {self.crop_scales} must be above 0")

    def draw(self, seed: int, step: int, count: int, sizes: tuple[int, ...]) -> PhotoDraws:
        """Return what is drawn for the `count` images of global step `step`, all of one of `sizes`."""
        stream = random_stream(seed, AUGMENTATION_STREAM, step)
        size = sizes[stream.integers(len(sizes))]
        uniform = stream.random((count, 6), np.float32)
        attempts = stream.random((count, _ATTEMPTS, 3), np.float32)
        return PhotoDraws(size, (uniform[:, 0] < 0.5) & self.mirror, attempts, *self.gain_and_bias(uniform[:, 1:]))

    def crop(self, height: int, width: int, image: LabelledImage, draws: PhotoDraws, number: int) -> Crop:
        """Return how to crop a photograph of `height` x `width` pixels as image `number` of a step.

        The first crop tried that holds a whole face which is not ignored, any crop of a photograph without such faces;
        failing that, the whole photograph.
        """
        attempts = draws.attempts[number]
        boxes = np.maximum(image.boxes[~image.ignored], 0)
        boxes = np.minimum(boxes, np.array([width, height] * 2, np.float32))
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        scales = self._scales(height, width)
        chosen = scales[np.minimum((attempts[:, 0] * len(scales)).astype(np.intp), len(scales) - 1)]
        sides = np.maximum(np.rint(chosen * min(height, width)).astype(np.int64), 1)
        sides[-1] = max(height, width)
        # A crop lies within the photograph where it is smaller, and the photograph within the crop where it is larger.
        left = np.rint(attempts[:, 1] * (width - sides)).astype(np.int64)
        top = np.rint(attempts[:, 2] * (height - sides)).astype(np.int64)
        whole = (
            (boxes[:, 0] >= left[:, None])
            & (boxes[:, 1] >= top[:, None])
            & (boxes[:, 2] <= (left + sides)[:, None])
            & (boxes[:, 3] <= (top + sides)[:, None])
        ).any(axis=1)
        pick = int(np.argmax(whole)) if len(boxes) else 0
        side = int(sides[pick])
        x = _along(width, int(left[pick]), side, draws.size)
        y = _along(height, int(top[pick]), side, draws.size)
        return Crop((x[0], y[0], x[1], y[1]), (x[2], y[2], x[3], y[3]), bool(draws.mirror[number]))

    def can_count(self, height: int, width: int, image: LabelledImage, size: int) -> NDArray[np.bool_]:
        """Return which faces (N,) of a photograph may come out of `crop_faces` not ignored, at `size` pixels.

        The others never do. Where crops are padded, some that are a pixel too small are among those that may.
        """
        whole = np.array([width, height], np.float32)
        corners = image.boxes.reshape(-1, 2, 2)
        centre = (corners[:, 0] + corners[:, 1]) / 2
        centred = ((centre > 0) & (centre < whole)).all(axis=1)
        corners = np.minimum(np.maximum(corners, 0), whole)
        short, long = sorted((height, width))
        crops = np.append(np.maximum(np.rint(self._scales(height, width) * short), 1), long)
        # What is padded begins and ends at whole pixels.
        slack = np.where(crops > short, 1, _ROUNDING)
        shown = np.minimum((corners[:, 1] - corners[:, 0])[..., None] * (size / crops) + slack, size)
        large = (shown >= self.smallest_face).all(axis=1).any(axis=1)
        can: NDArray[np.bool_] = ~image.ignored & centred & large
        return can

    def _scales(self, height: int, width: int) -> NDArray[np.float64]:
        return np.array(self.crop_scales or [max(height, width) / min(height, width)])

    def crop_faces(self, image: LabelledImage, crop: Crop, size: int) -> CroppedFaces:
        """Return the faces of `image` that `crop` to `size` pixels shows, cut to the part of it that is no padding.

        A face whose centre is cut away is ignored, as is one that is too small now.
        """
        source, target = (np.array(part, np.float32).reshape(2, 2) for part in (crop.source, crop.target))
        ratio = (target[1] - target[0]) / (source[1] - source[0])
        corners = (image.boxes.reshape(-1, 2, 2) - source[0]) * ratio + target[0]
        landmarks = (image.landmarks - source[0]) * ratio + target[0]
        centre = (corners[:, 0] + corners[:, 1]) / 2
        centred = ((centre > target[0]) & (centre < target[1])).all(axis=1)
        corners = np.minimum(np.maximum(corners, target[0]), target[1])
        boxes, sides = corners.reshape(-1, 4), corners[:, 1] - corners[:, 0]
        ignored = image.ignored | ~centred | (sides < self.smallest_face).any(axis=1)
        seen = (sides > 0).all(axis=1)
        boxes, landmarks, ignored = boxes[seen], landmarks[seen], ignored[seen]
        if crop.mirror:
            boxes, landmarks = mirror_boxes(boxes, size), mirror_landmarks(landmarks, size)
        return CroppedFaces(boxes, landmarks, ignored)


def _along(length: int, start: int, side: int, size: int) -> tuple[int, int, int, int]:
    """Return source start and end, target start and end of a crop along one axis of a photograph."""
    first, last = max(start, 0), min(start + side, length)
    # Whole pixels, so that padding costs no second copy; the faces follow what becomes of the photograph exactly.
    begin = min(round((first - start) * size / side), size - 1)
    end = max(round((last - start) * size / side), begin + 1)
    return first, last, begin, end


def crop_photograph(photograph: NDArray[np.uint8], crop: Crop, destination: NDArray[np.uint8]) -> None:
    """Write the `crop` of a `photograph` (H, W, 3) to `destination` (S, S, 3)."""
    left, top, right, bottom = crop.source
    part = photograph[top:bottom, left:right]
    left, top, right, bottom = crop.target
    # Bilinear interpolation passes over pixels only where it shrinks by more than 2; means of areas take seven times as
    # long.
    method = cv2.INTER_AREA if part.shape[1] > 2 * (right - left) else cv2.INTER_LINEAR
    if crop.mirror:
        left, right = len(destination) - right, len(destination) - left
    if (right - left, bottom - top) != destination.shape[1::-1]:
        destination[:] = PADDING
    shown = destination[top:bottom, left:right]
    resized = cv2.resize(part, shown.shape[1::-1], interpolation=method)
    if crop.mirror:
        cv2.flip(resized, 1, shown)
    else:
        shown[:] = resized
