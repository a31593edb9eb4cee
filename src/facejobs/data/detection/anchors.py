"""Anchors: the square boxes that a detector with a feature pyramid corrects into faces (RetinaFace, CVPR 2020)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.box_coding import decode_boxes, decode_landmarks


@dataclass(frozen=True, slots=True)
class AnchorLayout:
    """Which anchors an image of a given size has.

    Each level of the pyramid has one grid, its cells `strides` pixels wide and high; in the middle of each cell stand
    squares of that level's `sizes`, in pixels of the network's input. `variances` scale what the network predicts of
    centres and points, and of sizes (see box_coding).
    """

    strides: tuple[int, ...] = (8, 16, 32)
    sizes: tuple[tuple[float, ...], ...] = ((16, 32), (64, 128), (256, 512))
    variances: tuple[float, float] = (0.1, 0.2)

    def __post_init__(self) -> None:
        if not self.strides or len(self.strides) != len(self.sizes) or not all(self.sizes):
            raise ValueError(f"strides {self.strides} and sizes {self.sizes}: each level has a stride and sizes")
        if min(self.strides) < 1 or any(max(self.strides) % stride for stride in self.strides):
            raise ValueError(f"strides {self.strides}: each must divide the largest")
        if min(size for level in self.sizes for size in level) <= 0 or min(self.variances) <= 0:
            raise ValueError(f"sizes {self.sizes} and variances {self.variances} must be above 0")

    @property
    def multiple(self) -> int:
        """What the height and the width of an image are multiples of."""
        return max(self.strides)

    def grids(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return rows and columns of each level's grid; ValueError where an image has no whole number of cells."""
        if height < 1 or width < 1 or height % self.multiple or width % self.multiple:
            raise ValueError(f"{width} x {height} pixels: both must be multiples of {self.multiple}")
        return [(height // stride, width // stride) for stride in self.strides]

    def count(self, height: int, width: int) -> int:
        """Return how many anchors an image of `height` x `width` pixels has."""
        grids = self.grids(height, width)
        return sum(rows * columns * len(sizes) for (rows, columns), sizes in zip(grids, self.sizes, strict=True))

    def boxes(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the anchors as centre x, centre y, width, height: (A, 4), read-only, in pixels.

        Level by level, in a level row by row, in a row column by column, in a cell by size.
        """
        return _boxes(self, height, width)

    def decode_boxes(
        self, deltas: NDArray[np.float32], chosen: NDArray[np.intp], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the boxes (n, 4) x1 y1 x2 y2 that `deltas` (n, 4) of the anchors numbered `chosen` (n,) mean in an
        image of `size` (height, width).
        """
        return decode_boxes(deltas, self.boxes(*size)[chosen], self.variances)

    def decode_landmarks(
        self, deltas: NDArray[np.float32], chosen: NDArray[np.intp], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the landmarks (n, 5, 2) that `deltas` (n, 10) mean, likewise."""
        return decode_landmarks(deltas, self.boxes(*size)[chosen], self.variances)


@lru_cache(maxsize=16)
def _boxes(layout: AnchorLayout, height: int, width: int) -> NDArray[np.float32]:
    levels = []
    grids = layout.grids(height, width)
    for (rows, columns), stride, sizes in zip(grids, layout.strides, layout.sizes, strict=True):
        level = np.empty((rows, columns, len(sizes), 4), np.float32)
        level[..., 0] = ((np.arange(columns) + 0.5) * stride)[None, :, None]
        level[..., 1] = ((np.arange(rows) + 0.5) * stride)[:, None, None]
        level[..., 2:] = np.array(sizes)[:, None]
        levels.append(level.reshape(-1, 4))
    boxes: NDArray[np.float32] = np.concatenate(levels)
    boxes.setflags(write=False)
    return boxes
