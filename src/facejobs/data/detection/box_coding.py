"""What a detector predicts at an anchor: boxes and landmarks relative to it (Faster R-CNN, NIPS 2015; SSD, ECCV 2016).

Anchors are (..., 4) centre x, centre y, width, height; `variances` those of the AnchorLayout: the first divides
offsets, the second logarithms of sizes.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_LARGEST_LOGARITHM = 10.0
"""No face is 22,026 times as large as its anchor; beyond this, exp would overflow on what a bad network says."""


def encode_boxes(boxes: FloatArray, anchors: FloatArray, variances: tuple[float, float]) -> FloatArray:
    """Return the (..., 4) offsets that `decode_boxes` turns into `boxes` (..., 4) x1 y1 x2 y2 of an area above 0."""
    size = boxes[..., 2:] - boxes[..., :2]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    offset = (centre - anchors[..., :2]) / (anchors[..., 2:] * variances[0])
    return np.concatenate([offset, np.log(size / anchors[..., 2:]) / variances[1]], axis=-1, dtype=np.float32)


def decode_boxes(deltas: FloatArray, anchors: FloatArray, variances: tuple[float, float]) -> FloatArray:
    """Return the boxes (..., 4) x1 y1 x2 y2 in pixels that a network's (..., 4) `deltas` mean."""
    centre = anchors[..., :2] + deltas[..., :2] * (anchors[..., 2:] * variances[0])
    half = anchors[..., 2:] / 2 * np.exp(np.minimum(deltas[..., 2:] * variances[1], _LARGEST_LOGARITHM))
    return np.concatenate([centre - half, centre + half], axis=-1, dtype=np.float32)


def encode_landmarks(landmarks: FloatArray, anchors: FloatArray, variances: tuple[float, float]) -> FloatArray:
    """Return the (..., 10) offsets x1 y1 … x5 y5 that `decode_landmarks` turns into `landmarks` (..., 5, 2)."""
    offset = (landmarks - anchors[..., None, :2]) / (anchors[..., None, 2:] * variances[0])
    deltas: FloatArray = offset.reshape(*offset.shape[:-2], 10).astype(np.float32, copy=False)
    return deltas


def decode_landmarks(deltas: FloatArray, anchors: FloatArray, variances: tuple[float, float]) -> FloatArray:
    """Return the landmarks (..., 5, 2) in pixels that a network's (..., 10) `deltas` mean."""
    offset = deltas.reshape(*deltas.shape[:-1], 5, 2) * (anchors[..., None, 2:] * variances[0])
    landmarks: FloatArray = np.add(anchors[..., None, :2], offset, dtype=np.float32)
    return landmarks
