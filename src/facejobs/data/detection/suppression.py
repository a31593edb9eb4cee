"""Non-maximum suppression: of boxes that overlap, the one with the highest score stays."""

import cv2
import numpy as np
from numpy.typing import NDArray


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Return the numbers of the boxes to keep, highest score first; of equal scores, the earlier box first.

    Greedy: a box of `boxes` (N, 4) x1 y1 x2 y2 goes if it overlaps a kept one of a higher score by more than `iou`.
    Two boxes of no area are taken for one.
    """
    best_first = np.argsort(-scores, kind="stable")
    corners_and_sizes = boxes[best_first].astype(np.float64)
    corners_and_sizes[:, 2:] -= corners_and_sizes[:, :2]
    # Ranks, since OpenCV takes no scores below 0.
    ranks = np.arange(len(boxes), 0, -1, dtype=np.float32)
    kept = cv2.dnn.NMSBoxes(corners_and_sizes, ranks, 0.0, iou)  # type: ignore[arg-type]
    numbers: NDArray[np.intp] = best_first[np.asarray(kept, np.intp)]
    return numbers
