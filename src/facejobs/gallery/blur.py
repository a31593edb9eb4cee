"""How blurred an aligned face is."""

import cv2
import numpy as np
from numpy.typing import NDArray

# Rows and columns of an aligned face that show the face alone: no background, no border of the photograph.
_FACE = (slice(28, 104), slice(22, 90))
_WINDOW = 9


def blur_effect(aligned: NDArray[np.uint8]) -> float:
    """Return the blur of an aligned face, uint8 (112, 112, 3) RGB: 0 for a sharp one to 1 for a uniform one.

    Crété-Roffet, Dolmiere, Ladet and Nicolas, "The blur effect: perception and estimation with a new no-reference
    perceptual blur metric" (2007): how little of the differences between neighbours a further blur takes away. Neither
    contrast nor brightness changes it; noise hides blur.
    """
    grey = cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY)[_FACE].astype(np.float64)
    return max(_along(grey, 0), _along(grey, 1))


def _along(grey: NDArray[np.float64], axis: int) -> float:
    size = (1, _WINDOW) if axis == 0 else (_WINDOW, 1)
    smoothed = cv2.blur(grey, size, borderType=cv2.BORDER_REPLICATE)
    differences = np.abs(np.diff(grey, axis=axis))
    total = float(differences.sum())
    if total == 0.0:
        return 1.0
    lost = np.maximum(0.0, differences - np.abs(np.diff(smoothed, axis=axis)))
    return 1.0 - float(lost.sum()) / total
