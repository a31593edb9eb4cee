"""From the pixels of photographs to the input of a network."""

import cv2
import numpy as np
from numpy.typing import NDArray


def network_input(images: NDArray[np.uint8], mean: float, scale: float) -> NDArray[np.float32]:
    """Return float32 (N, 3, H, W) for uint8 (N, H, W, 3): each pixel p as (p - mean) * scale.

    A table of the 256 values and one pass over each plane: several times as fast as the arithmetic in NumPy.
    """
    count, height, width, channels = images.shape
    table = (np.arange(256, dtype=np.float32) - np.float32(mean)) * np.float32(scale)
    values = np.empty((count, channels, height, width), np.float32)
    for image, planes in zip(images, values, strict=True):
        contiguous = np.ascontiguousarray(image)
        for channel, plane in enumerate(planes):
            cv2.LUT(cv2.extractChannel(contiguous, channel), table, plane)
    return values
