"""MTCNN's cascade over an image pyramid (Zhang et al., 2016, arXiv:1604.02878).

P-Net sees every window of 12 x 12 pixels, in steps of 2, of a photograph at many sizes. What it takes for a face is cut
out, shown to R-Net at 24 x 24 pixels, and what that keeps, to O-Net at 48 x 48, which also says where the landmarks
are. Each net moves the four edges of its window.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import LANDMARKS, Detections
from facejobs.data.detection.prediction import Forward
from facejobs.data.detection.suppression import suppress

WINDOWS = (12, 24, 48)
"""Pixels a side of what P-, R- and O-Net look at."""
STEP = 2
_SAME_LEVEL_IOU = 0.5
_CANDIDATE_IOU = 0.7
# Fed as (p - 127.5) / 128, this is next to zero.
_PADDING = (127, 127, 127)


@dataclass(frozen=True, slots=True)
class CascadeSettings:
    """What each net passes on; the last one has the say on what is a face."""

    smallest_face: float = 20.0
    """Pixels a side of the smallest face that is looked for."""
    pyramid_factor: float = 0.709
    """Each level of the pyramid is so much smaller than the one before."""
    proposal_threshold: float = 0.6
    """Windows that P-Net scores lower go no further."""
    refinement_threshold: float = 0.7
    """The same for R-Net."""
    score_threshold: float = 0.7
    nms_iou: float = 0.4
    most_candidates: int = 2000
    """So many of the best windows go from one net to the next."""


def detect_cascade(
    nets: tuple[Forward, Forward, Forward], image: NDArray[np.uint8], settings: CascadeSettings
) -> Detections:
    """Return the faces of `image` (H, W, 3) RGB in its pixels; boxes may reach beyond it.

    Of n windows the nets give RawPredictions of one anchor each, P-Net of a larger image one for each of its windows,
    row by row; boxes and landmarks are offsets in window sides, boxes from the edges, landmarks from the upper left.
    """
    proposal, refinement, output = nets
    (boxes,) = propose(proposal, image[None], settings)
    boxes = refine(refinement, image, boxes, settings)
    if len(boxes) == 0:
        return Detections(boxes, np.empty(0, np.float32), np.empty((0, LANDMARKS, 2), np.float32))
    windows = square(boxes)
    raw = output(crop_windows(image, windows, WINDOWS[2]))
    scores = raw.scores[:, 0]
    chosen = np.flatnonzero(scores >= settings.score_threshold)
    found = move_edges(windows[chosen], raw.boxes[chosen, 0])
    kept = suppress(found, scores[chosen], settings.nms_iou)
    landmarks = None
    if raw.landmarks is not None:
        window = windows[chosen[kept]]
        side = (window[:, 2] - window[:, 0])[:, None, None]
        landmarks = window[:, None, :2] + raw.landmarks[chosen[kept], 0].reshape(-1, LANDMARKS, 2) * side
    return Detections(found[kept], scores[chosen[kept]], landmarks)


def propose(net: Forward, images: NDArray[np.uint8], settings: CascadeSettings) -> list[NDArray[np.float32]]:
    """Return the boxes (N, 4) that P-Net takes for faces in each of `images` (n, H, W, 3), the best first."""
    levels = [pyramid(image, settings) for image in images]
    found: list[list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = [[] for _ in images]
    for shown in zip(*levels, strict=True):
        raw = net(np.stack(shown))
        windows = windows_of(shown[0])
        ratio = np.array([images.shape[2] / shown[0].shape[1], images.shape[1] / shown[0].shape[0]], np.float32)
        for of_image, scores, deltas in zip(found, raw.scores, raw.boxes, strict=True):
            chosen = np.flatnonzero(scores >= settings.proposal_threshold)
            # Before the suppression, whose time grows with the square of their number.
            chosen = chosen[np.argsort(-scores[chosen], kind="stable")[: settings.most_candidates]]
            moved = move_edges(windows[chosen], deltas[chosen])
            kept = suppress(moved, scores[chosen], _SAME_LEVEL_IOU)
            of_image.append((moved[kept] * np.tile(ratio, 2), scores[chosen[kept]]))
    return [_best_of(of_image, settings) for of_image in found]


def refine(
    net: Forward, image: NDArray[np.uint8], boxes: NDArray[np.float32], settings: CascadeSettings
) -> NDArray[np.float32]:
    """Return those of `boxes` (N, 4) that R-Net takes for faces, moved by it, the best first."""
    if len(boxes) == 0:
        return boxes
    windows = square(boxes)
    raw = net(crop_windows(image, windows, WINDOWS[1]))
    chosen = np.flatnonzero(raw.scores[:, 0] >= settings.refinement_threshold)
    return _best(move_edges(windows[chosen], raw.boxes[chosen, 0]), raw.scores[chosen, 0], settings)


def pyramid(image: NDArray[np.uint8], settings: CascadeSettings) -> list[NDArray[np.uint8]]:
    """Return `image` at every size at which a face can be as large as P-Net's window, the largest first."""
    levels = []
    factor = WINDOWS[0] / settings.smallest_face
    height, width = image.shape[:2]
    while min(round(height * factor), round(width * factor)) >= WINDOWS[0]:
        size = (round(width * factor), round(height * factor))
        levels.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR))
        factor *= settings.pyramid_factor
    return levels


def windows_of(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the windows (N, 4) that P-Net sees of an image, row by row."""
    rows, columns = ((side - WINDOWS[0]) // STEP + 1 for side in image.shape[:2])
    top, left = np.mgrid[:rows, :columns].reshape(2, -1).astype(np.float32) * STEP
    return np.stack([left, top, left + WINDOWS[0], top + WINDOWS[0]], axis=1)


def move_edges(windows: NDArray[np.float32], deltas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the boxes (N, 4) that `deltas` (N, 4) of square `windows` (N, 4) mean, both edges in window sides."""
    return windows + deltas * (windows[:, 2:3] - windows[:, 0:1])


def square(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the smallest squares around the middle of `boxes` (N, 4) that hold them."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True, initial=0) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def crop_windows(image: NDArray[np.uint8], windows: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Return each of `windows` (N, 4) of `image` (H, W, 3) as (N, size, size, 3); what lies outside is grey."""
    crops = np.empty((len(windows), size, size, 3), np.uint8)
    for crop, (left, top, right, bottom) in zip(crops, np.rint(windows).astype(int).tolist(), strict=True):
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if inside.size == 0:
            crop[:] = _PADDING
            continue
        beyond = (max(-top, 0), max(bottom - image.shape[0], 0), max(-left, 0), max(right - image.shape[1], 0))
        if any(beyond):
            border = cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
            inside = cv2.copyMakeBorder(inside, *beyond, border, value=_PADDING)
        method = cv2.INTER_AREA if right - left > size else cv2.INTER_LINEAR
        cv2.resize(inside, (size, size), crop, interpolation=method)
    return crops


def _best_of(
    levels: list[tuple[NDArray[np.float32], NDArray[np.float32]]], settings: CascadeSettings
) -> NDArray[np.float32]:
    """The best of the boxes and scores found at every level of one pyramid."""
    boxes = np.concatenate([np.empty((0, 4), np.float32), *(boxes for boxes, _ in levels)])
    return _best(boxes, np.concatenate([np.empty(0, np.float32), *(scores for _, scores in levels)]), settings)


def _best(boxes: NDArray[np.float32], scores: NDArray[np.float32], settings: CascadeSettings) -> NDArray[np.float32]:
    kept = suppress(boxes, scores, _CANDIDATE_IOU)[: settings.most_candidates]
    return np.ascontiguousarray(boxes[kept])
