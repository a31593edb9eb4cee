"""How much boxes overlap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]


def intersection_over_union(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the (N, M) quotients of `first` (N, 4) and `second` (M, 4), both x1 y1 x2 y2; 0 where both have no area.

    Computed in the precision of the boxes.
    """
    width = np.minimum(first[:, None, 2], second[None, :, 2])
    width -= np.maximum(first[:, None, 0], second[None, :, 0])
    height = np.minimum(first[:, None, 3], second[None, :, 3])
    height -= np.maximum(first[:, None, 1], second[None, :, 1])
    intersection = np.maximum(width, 0, out=width)
    intersection *= np.maximum(height, 0, out=height)
    union = areas(first)[:, None] + areas(second)[None, :]
    union -= intersection
    # Where the union is 0, so is the intersection.
    np.divide(intersection, union, out=intersection, where=union > 0)
    return intersection


def areas(boxes: FloatArray) -> FloatArray:
    """Return the areas (N,) of boxes (N, 4) x1 y1 x2 y2."""
    result: FloatArray = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return result
