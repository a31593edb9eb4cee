"""Non-maximum suppression: of boxes that overlap, the one with the highest score stays."""

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.overlap import intersection_over_union

_BLOCK = 128


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Return the numbers of the boxes to keep, highest score first; of equal scores, the earlier box first.

    Greedy: a box of `boxes` (N, 4) x1 y1 x2 y2 goes if it overlaps a kept one of a higher score by more than `iou`.
    """
    remaining = np.argsort(-scores, kind="stable")
    kept = [remaining[:0]]
    while len(remaining):
        # Blocks, so that NumPy compares many boxes in one call and never the whole table of N x N.
        block, remaining = remaining[:_BLOCK], remaining[_BLOCK:]
        block = block[_survivors(intersection_over_union(boxes[block], boxes[block]) > iou)]
        kept.append(block)
        if len(remaining):
            overlapping = intersection_over_union(boxes[block], boxes[remaining]) > iou
            remaining = remaining[~overlapping.any(axis=0)]
    return np.concatenate(kept)


def _survivors(overlapping: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of N boxes, best first, stay, given which pairs (N, N) of them overlap too much."""
    alive = np.ones(len(overlapping), np.bool_)
    for best in range(len(overlapping)):
        if alive[best]:
            alive[best + 1 :] &= ~overlapping[best, best + 1 :]
    return alive
