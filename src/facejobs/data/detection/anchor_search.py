"""Which anchors share how much area with a box, found without looking at all of them."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout

_MARGIN = 0.01
"""Cells that a window reaches beyond what is computed for it, which is rounded; shared areas decide in the end."""


class SharedAreas(NamedTuple):
    """Pairs of a box and an anchor, in no order that means anything."""

    boxes: NDArray[np.intp]
    anchors: NDArray[np.intp]
    shared: NDArray[np.float32]
    """The area in both, in square pixels."""
    anchor_areas: NDArray[np.float32]


class AnchorGrids(NamedTuple):
    """The G grids of anchors of one size that an image has, each array (G,)."""

    size: NDArray[np.float32]
    stride: NDArray[np.float32]
    cells: NDArray[np.intp]
    """(G, 2): columns and rows."""
    first: NDArray[np.intp]
    """Number of a grid's first anchor among all of the image."""
    step: NDArray[np.intp]
    """From one anchor of a grid to its next."""


@lru_cache(maxsize=16)
def anchor_grids(layout: AnchorLayout, height: int, width: int) -> AnchorGrids:
    """Return the grids of an image of `height` x `width` pixels; ValueError as of `AnchorLayout.grids`."""
    sizes, strides, cells, firsts, steps = [], [], [], [], []
    first = 0
    levels = zip(layout.grids(height, width), layout.strides, layout.sizes, strict=True)
    for (rows, columns), stride, of_level in levels:
        for place, size in enumerate(of_level):
            sizes.append(size)
            strides.append(stride)
            cells.append((columns, rows))
            firsts.append(first + place)
            steps.append(len(of_level))
        first += rows * columns * len(of_level)
    return AnchorGrids(
        np.array(sizes, np.float32),
        np.array(strides, np.float32),
        np.array(cells, np.intp),
        np.array(firsts, np.intp),
        np.array(steps, np.intp),
    )


def find_sharing(grids: AnchorGrids, boxes: NDArray[np.float32], needed: NDArray[np.float32]) -> SharedAreas:
    """Return the pairs of one of `boxes` (N, 4) x1 y1 x2 y2 and an anchor that share the area that is needed.

    `needed` (N, G), above 0, is in square pixels, for each box and each grid. A shared area is a width times a height,
    so that the centres of the anchors which share enough lie in a rectangle: its cells alone are looked at.
    """
    most = np.minimum((boxes[:, 2:] - boxes[:, :2])[:, None], grids.size[:, None])
    box, grid = np.nonzero(most[..., 0] * most[..., 1] >= needed)
    need, size, stride = needed[box, grid], grids.size[grid], grids.stride[grid, None]
    start, end, half = boxes[box, :2], boxes[box, 2:], (size / 2)[:, None]
    least = need[:, None] / most[box, grid, ::-1]
    low = np.ceil((start + least - half) / stride - (0.5 + _MARGIN)).astype(np.intp)
    high = np.floor((end - least + half) / stride - (0.5 - _MARGIN)).astype(np.intp)
    np.maximum(low, 0, out=low)
    count = np.maximum(np.minimum(high + 1, grids.cells[grid]) - low, 0)

    pair, column, row = _cells(count)
    centre = (low[:, :, None] + np.arange(count.max(initial=0)) + np.float32(0.5)) * stride[:, :, None]
    centre = centre.astype(np.float32)
    length = np.minimum(end[:, :, None], centre + half[:, :, None])
    length -= np.maximum(start[:, :, None], centre - half[:, :, None])
    np.maximum(length, 0, out=length)
    shared = length[pair, 1, row] * length[pair, 0, column]
    enough = np.flatnonzero(shared >= need[pair])
    pair, column, row = pair[enough], column[enough], row[enough]
    grid = grid[pair]
    cell = (low[pair, 1] + row) * grids.cells[grid, 0] + low[pair, 0] + column
    anchors = grids.first[grid] + grids.step[grid] * cell
    return SharedAreas(box[pair], anchors, shared[enough], size[pair] ** 2)


def _cells(count: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return every cell of P rectangles of `count` (P, 2) columns and rows: its rectangle, column and row there."""
    of_each = count[:, 0] * count[:, 1]
    rectangle = np.repeat(np.arange(len(count)), of_each)
    number = np.arange(len(rectangle)) - np.repeat(np.cumsum(of_each) - of_each, of_each)
    row, column = np.divmod(number, count[rectangle, 0])
    return rectangle, column, row
