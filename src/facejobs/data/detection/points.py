"""Points: what a detector measures the distances to the edges of faces from (FCOS, ICCV 2019; SCRFD, ICLR 2022)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import LANDMARKS

_LARGEST_DISTANCE = 1e5
"""In strides: no photograph is so large; beyond this, pixels would overflow on what a bad network says."""


@dataclass(frozen=True, slots=True)
class PointLayout:
    """Which points an image of a given size has: `per_cell` in the upper left corner of each cell of each level, whose
    cells are one of `strides` pixels wide and high.
    """

    strides: tuple[int, ...] = (8, 16, 32)
    per_cell: int = 2

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1 or any(max(self.strides) % stride for stride in self.strides):
            raise ValueError(f"strides {self.strides}: each must divide the largest")
        if self.per_cell < 1:
            raise ValueError(f"per_cell {self.per_cell} must be above 0")

    @property
    def multiple(self) -> int:
        """What the height and the width of an image are multiples of."""
        return max(self.strides)

    def level_counts(self, height: int, width: int) -> list[int]:
        """Return how many points each level of an image of `height` x `width` pixels has."""
        return [(height // stride) * (width // stride) * self.per_cell for stride in self.strides]

    def count(self, height: int, width: int) -> int:
        """Return how many points an image of `height` x `width` pixels has."""
        return sum(self.level_counts(height, width))

    def decode_boxes(
        self, deltas: NDArray[np.float32], chosen: NDArray[np.intp], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the boxes (n, 4) x1 y1 x2 y2 of the distances `deltas` (n, 4) left, up, right, down, in strides, from
        the points numbered `chosen` (n,) of an image of `size` (height, width).
        """
        points = _points(self, *size)[chosen]
        distances = np.clip(deltas, -_LARGEST_DISTANCE, _LARGEST_DISTANCE) * points[:, 2:]
        return np.concatenate(
            [points[:, :2] - distances[:, :2], points[:, :2] + distances[:, 2:]], axis=1, dtype=np.float32
        )

    def decode_landmarks(
        self, deltas: NDArray[np.float32], chosen: NDArray[np.intp], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the landmarks (n, 5, 2) of the offsets `deltas` (n, 10) x1 y1 … x5 y5, in strides, likewise."""
        points = _points(self, *size)[chosen]
        landmarks: NDArray[np.float32] = np.add(
            points[:, None, :2], deltas.reshape(-1, LANDMARKS, 2) * points[:, None, 2:], dtype=np.float32
        )
        return landmarks


@lru_cache(maxsize=16)
def _points(layout: PointLayout, height: int, width: int) -> NDArray[np.float32]:
    """(A, 3): x, y and stride of each point, in pixels; read-only."""
    levels = []
    for stride in layout.strides:
        level = np.empty((height // stride, width // stride, layout.per_cell, 3), np.float32)
        level[..., 0] = (np.arange(width // stride) * stride)[None, :, None]
        level[..., 1] = (np.arange(height // stride) * stride)[:, None, None]
        level[..., 2] = stride
        levels.append(level.reshape(-1, 3))
    points: NDArray[np.float32] = np.concatenate(levels)
    points.setflags(write=False)
    return points
