"""Online hard negative mining (Liu et al., SSD, ECCV 2016, section 2.2): most of the background teaches nothing."""

import math

import numpy as np
from numpy.typing import NDArray


def mine(logits: NDArray[np.float32], labels: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """Which anchors count in the classification loss: (n, A), 1 or 0.

    `logits` and `labels` are (n, A), labels 1 for a face, 0 for background and others for neither. All faces of an
    image count, and of its background the `ratio` times as many anchors with the highest logits; an image without
    faces has as many as one with one.
    """
    chosen: NDArray[np.float32] = (labels == 1).astype(np.float32)
    background = np.where(labels == 0, logits, -np.inf)
    for image, row in enumerate(background):
        wanted = math.ceil(ratio * max(1.0, chosen[image].sum()))
        available = int((labels[image] == 0).sum())
        if count := min(wanted, available):
            chosen[image, np.argpartition(row, len(row) - count)[-count:]] = 1
    return chosen
