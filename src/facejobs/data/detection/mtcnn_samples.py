"""Windows that MTCNN's nets are trained on, cut out of the photographs of a batch (Zhang et al., 2016, section III.C).

By its overlap with the nearest face a window is a face (from 0.65 on), part of one (from 0.4 on), which teaches where
the edges are but not what a face is, or background (below 0.3); others are left out. P-Net learns from windows drawn at
random; R- and O-Net from what the net before them takes for faces, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import decode_boxes, decode_landmarks
from facejobs.data.detection.cascade import WINDOWS, crop_windows, square
from facejobs.data.detection.detection_batches import DetectionBatch
from facejobs.data.detection.overlap import intersection_over_union

FACE, PART, BACKGROUND, UNUSED = 1, 2, 0, -1
_FACE_IOU = 0.65
_PART_IOU = 0.4
_BACKGROUND_IOU = 0.3
_SMALLEST = WINDOWS[0]
# Of each photograph so many of each kind; what is missing stays unused.
_MOST = {FACE: 10, PART: 6, BACKGROUND: 16}
PER_PHOTOGRAPH = sum(_MOST.values())
_DRAWN_AT_FACES = 60
_DRAWN_NEAR_FACES = 12
_DRAWN_ANYWHERE = 24


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one training image that are large enough to be learnt from, in its pixels."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    """(N, 5, 2), NaN where not known."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowSamples:
    """N windows of S x S pixels; offsets are in window sides, as the cascade reads them."""

    images: NDArray[np.uint8]
    """(N, S, S, 3) RGB."""
    kinds: NDArray[np.int8]
    """(N,) FACE, PART, BACKGROUND or UNUSED."""
    boxes: NDArray[np.float32]
    """(N, 4) offsets of the edges of the face from those of the window; 0 without a face."""
    landmarks: NDArray[np.float32]
    """(N, 10) offsets from the upper left of the window; 0 where not known."""
    landmarks_known: NDArray[np.bool_]
    """(N,), true for windows of kind FACE only."""


def faces_of(batch: DetectionBatch, number: int, layout: AnchorLayout) -> Faces:
    """Return the faces of image `number` of a batch, read from what its anchors are to find."""
    found = np.flatnonzero(batch.labels[number] == 1)
    anchors = layout.boxes(*batch.images.shape[1:3])[found]
    boxes = decode_boxes(batch.box_targets[number, found], anchors, layout.variances)
    landmarks = decode_landmarks(batch.landmark_targets[number, found], anchors, layout.variances)
    landmarks[batch.landmark_mask[number, found] == 0] = np.nan
    # Several anchors find one face; coding and decoding moves its box by far less than a quarter of a pixel.
    _, first = np.unique(np.rint(boxes), axis=0, return_index=True)
    large = first[(boxes[first, 2:] - boxes[first, :2]).max(axis=1, initial=0) >= _SMALLEST]
    return Faces(boxes[large], landmarks[large])


def draw_windows(side: int, faces: Faces, random: np.random.Generator) -> NDArray[np.float32]:
    """Return squares (N, 4) on and near each face, and anywhere in an image of `side` pixels."""
    windows = [_anywhere(side, _DRAWN_ANYWHERE, random)]
    count = len(faces.boxes)
    if count:
        at = faces.boxes[random.integers(count, size=_DRAWN_AT_FACES)]
        windows.append(_around(at, (0.8, 1.25), 0.2, random))
        near = faces.boxes[random.integers(count, size=_DRAWN_NEAR_FACES)]
        windows.append(_around(near, (0.3, 2.0), 0.9, random))
    return np.concatenate(windows)


def sample(
    image: NDArray[np.uint8], faces: Faces, windows: NDArray[np.float32], size: int, random: np.random.Generator
) -> WindowSamples:
    """Return PER_PHOTOGRAPH of `windows` (N, 4), made square, as samples of `size` pixels; too few are filled up."""
    windows = square(windows)
    overlaps = intersection_over_union(windows, faces.boxes)
    best = overlaps.max(axis=1, initial=0)
    kinds = np.select([best >= _FACE_IOU, best >= _PART_IOU, best < _BACKGROUND_IOU], [FACE, PART, BACKGROUND], UNUSED)
    chosen = np.concatenate([_some(np.flatnonzero(kinds == kind), most, random) for kind, most in _MOST.items()])
    samples = _empty(size)
    count = len(chosen)
    samples.images[:count] = crop_windows(image, windows[chosen], size)
    samples.kinds[:count] = kinds[chosen]
    with_face = np.flatnonzero(samples.kinds >= FACE)
    face = overlaps[chosen[with_face]].argmax(axis=1) if len(with_face) else with_face
    window = windows[chosen[with_face]]
    span = window[:, 2:3] - window[:, :1]
    samples.boxes[with_face] = (faces.boxes[face] - window) / span
    points = ((faces.landmarks[face] - window[:, None, :2]) / span[:, None]).reshape(-1, 10)
    known = ~np.isnan(points).any(axis=1) & (samples.kinds[with_face] == FACE)
    samples.landmarks[with_face[known]] = points[known]
    samples.landmarks_known[with_face] = known
    return samples


def join(parts: list[WindowSamples]) -> WindowSamples:
    """Return the samples of several images as one."""
    return WindowSamples(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.landmarks_known for part in parts]),
    )


def _empty(size: int) -> WindowSamples:
    return WindowSamples(
        np.zeros((PER_PHOTOGRAPH, size, size, 3), np.uint8),
        np.full(PER_PHOTOGRAPH, UNUSED, np.int8),
        np.zeros((PER_PHOTOGRAPH, 4), np.float32),
        np.zeros((PER_PHOTOGRAPH, 10), np.float32),
        np.zeros(PER_PHOTOGRAPH, np.bool_),
    )


def _some(numbers: NDArray[np.intp], most: int, random: np.random.Generator) -> NDArray[np.intp]:
    return random.permutation(numbers)[:most]


def _anywhere(side: int, count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Squares inside an image, as many between 12 and 24 pixels as between 24 and 48, and so on."""
    largest = max(side, _SMALLEST + 1)
    sides = np.exp(random.uniform(np.log(_SMALLEST), np.log(largest), (count, 1)))
    corner = random.random((count, 2)) * np.maximum(side - sides, 0)
    return np.concatenate([corner, corner + sides], axis=1, dtype=np.float32)


def _around(
    boxes: NDArray[np.float32], scales: tuple[float, float], shift: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """A square for each box: of its longer side times a factor, its middle moved by shares of that side."""
    count = len(boxes)
    span = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + random.uniform(-shift, shift, (count, 2)) * span
    half = span * np.exp(random.uniform(np.log(scales[0]), np.log(scales[1]), (count, 1))) / 2
    return np.concatenate([centre - half, centre + half], axis=1, dtype=np.float32)
