"""Boxes and landmarks of a mirrored photograph."""

import numpy as np
from numpy.typing import NDArray

_SWAPPED = [1, 0, 2, 4, 3]
"""Where each landmark of a mirrored face comes from: left and right, as seen in the image, change places."""


def mirror_boxes(boxes: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return boxes (N, 4) x1 y1 x2 y2 as they lie in the mirror image of a photograph `width` pixels wide."""
    mirrored = boxes.copy()
    mirrored[:, 0] = width - boxes[:, 2]
    mirrored[:, 2] = width - boxes[:, 0]
    return mirrored


def mirror_landmarks(landmarks: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return landmarks (N, 5, 2) as they lie in the mirror image of a photograph `width` pixels wide."""
    mirrored = landmarks[:, _SWAPPED]
    mirrored[..., 0] = width - mirrored[..., 0]
    return mirrored
