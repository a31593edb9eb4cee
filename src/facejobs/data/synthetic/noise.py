"""Smooth random fields: skin blotches, hair strands, backgrounds."""

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, rows: int, columns: int, cells_down: int, cells_across: int) -> Field:
    """A field (rows, columns) of unit variance at its knots, with about so many bumps down and across."""
    knots = rng.standard_normal((cells_down, cells_across), dtype=np.float32)
    field: Field = cv2.resize(knots, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return field


def layered_noise(rng: np.random.Generator, size: int, cells: int, layers: int) -> Field:
    """Fractal noise (size, size): each layer has twice the bumps and about half the strength of the one before."""
    total = np.zeros((size, size), np.float32)
    for layer in range(layers):
        total += smooth_noise(rng, size, size, cells << layer, cells << layer) * 0.55**layer
    return total
