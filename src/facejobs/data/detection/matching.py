"""Which anchors are to find which face, which are background, and which the loss leaves out."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.overlap import FloatArray, areas

FACE = 1.0
BACKGROUND = 0.0
LEFT_OUT = -1.0


@dataclass(frozen=True, slots=True)
class MatchingRule:
    """Intersections over union that decide what an anchor is to find."""

    positive_iou: float = 0.35
    """From here on, an anchor is to find the face it overlaps most."""
    negative_iou: float = 0.3
    """Below this, it is background; between the two, it is left out of the loss."""
    best_iou: float = 0.2
    """A face that no anchor overlaps as much as `positive_iou` gets the one that overlaps it most, from here on."""

    def __post_init__(self) -> None:
        if not 0 < self.best_iou <= self.positive_iou <= 1 or not 0 < self.negative_iou <= self.positive_iou:
            raise ValueError(f"{self}: 0 < best_iou and negative_iou <= positive_iou <= 1 must hold")


class Matching(NamedTuple):
    """What each of A anchors is to find."""

    labels: NDArray[np.float32]
    """(A,): FACE, BACKGROUND or LEFT_OUT."""
    faces: NDArray[np.intp]
    """(A,): the number of the face, where the label is FACE; -1 elsewhere."""


class _Overlaps(NamedTuple):
    """Pairs of a face and an anchor that share an area."""

    faces: NDArray[np.intp]
    anchors: NDArray[np.intp]
    iou: NDArray[np.float32]


def match(
    layout: AnchorLayout,
    height: int,
    width: int,
    boxes: NDArray[np.float32],
    ignored: NDArray[np.bool_],
    rule: MatchingRule,
) -> Matching:
    """Match the anchors of an image of `height` x `width` pixels to its faces `boxes` (N, 4) x1 y1 x2 y2.

    Every face gets at least one anchor if one overlaps it by `best_iou`: where two faces have the same best anchor, it
    goes to the one that overlaps it more, and the other gets its next best. Around `ignored` faces (N,), and around
    those that got no anchor (most are too small), anchors are left out instead of being called background.
    """
    labels = np.full(layout.count(height, width), BACKGROUND, np.float32)
    faces = np.full(len(labels), -1, np.intp)
    usable = np.flatnonzero(~ignored)
    pairs = _overlaps(layout, height, width, boxes[usable], min(rule.best_iou, rule.negative_iou))
    order = np.lexsort((pairs.anchors, pairs.faces, -pairs.iou))
    pairs = _Overlaps(usable[pairs.faces[order]], pairs.anchors[order], pairs.iou[order])

    labels[pairs.anchors[pairs.iou >= rule.negative_iou]] = LEFT_OUT
    # The best pair of an anchor is written last and stays.
    positive = np.flatnonzero(pairs.iou >= rule.positive_iou)[::-1]
    faces[pairs.anchors[positive]] = pairs.faces[positive]
    best = np.count_nonzero(pairs.iou >= rule.best_iou)
    given = _give_best(pairs.faces[:best].tolist(), pairs.anchors[:best].tolist())
    faces[list(given.values())] = list(given.keys())

    unfound = ignored.copy()
    unfound[usable] = ~np.isin(usable, list(given))
    labels[_around(layout, height, width, boxes[unfound], rule.negative_iou)] = LEFT_OUT
    labels[faces >= 0] = FACE
    return Matching(labels, faces)


def _give_best(faces: list[int], anchors: list[int]) -> dict[int, int]:
    """Return an anchor of its own for each face, from pairs in falling order of overlap."""
    given: dict[int, int] = {}
    taken = set()
    for face, anchor in zip(faces, anchors, strict=True):
        if face not in given and anchor not in taken:
            given[face] = anchor
            taken.add(anchor)
    return given


def _overlaps(layout: AnchorLayout, height: int, width: int, boxes: NDArray[np.float32], least: float) -> _Overlaps:
    """Return the pairs with an intersection over union of at least `least`."""
    parts = [_Overlaps(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))]
    area = areas(boxes)
    for grid in _grids(layout, height, width):
        # intersection / (both areas - intersection) >= least, solved for the intersection; a little less, to be
        # decided by the quotient itself.
        needed = 0.999 * least / (1 + least) * (area + grid.size**2)
        faces, anchors, shared = grid.intersections(boxes, needed)
        iou = shared / (area[faces] + grid.size**2 - shared)
        enough = iou >= least
        parts.append(_Overlaps(faces[enough], anchors[enough], iou[enough]))
    return _Overlaps(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _around(layout: AnchorLayout, height: int, width: int, boxes: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Return the anchors that overlap one of `boxes` by `iou`, or lie at least half inside.

    A box smaller than the smallest anchor counts as being of that size, for it is such an anchor that would find it.
    """
    smallest = min(min(sizes) for sizes in layout.sizes)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.maximum(boxes[:, 2:] - boxes[:, :2], smallest) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    area = areas(boxes)
    found = [np.empty(0, np.intp)]
    for grid in _grids(layout, height, width):
        needed = np.minimum(iou / (1 + iou) * (area + grid.size**2), grid.size**2 / 2)
        found.append(grid.intersections(boxes, needed)[1])
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The anchors of one size: where they stand, and their numbers among all."""

    size: float
    centres_x: NDArray[np.float32]
    centres_y: NDArray[np.float32]
    first: int
    step: int

    def intersections(
        self, boxes: NDArray[np.float32], needed: FloatArray
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Return faces, anchors and shared areas of the pairs that share at least `needed` (N,) square pixels.

        The shared area is a width times a height, and each depends on one coordinate of the anchor only.
        """
        extent = np.minimum(boxes[:, 2:] - boxes[:, :2], self.size)
        candidates = np.flatnonzero(extent[:, 0] * extent[:, 1] >= needed)
        if not len(candidates):
            return candidates, candidates, np.empty(0, np.float32)
        across = _shared(boxes[candidates, 0], boxes[candidates, 2], self.centres_x, self.size)
        down = _shared(boxes[candidates, 1], boxes[candidates, 3], self.centres_y, self.size)
        shared = (down[:, :, None] * across[:, None, :]).reshape(len(candidates), across.shape[1] * down.shape[1])
        faces, cells = np.nonzero(shared >= needed[candidates, None])
        return candidates[faces], self.first + self.step * cells, shared[faces, cells]


def _shared(
    start: NDArray[np.float32], end: NDArray[np.float32], centres: NDArray[np.float32], size: float
) -> NDArray[np.float32]:
    """Return the lengths (N, M) that N intervals share with intervals of `size` around M centres."""
    length = np.minimum(end[:, None], centres + np.float32(size / 2))
    length -= np.maximum(start[:, None], centres - np.float32(size / 2))
    return np.maximum(length, 0, out=length)


@lru_cache(maxsize=16)
def _grids(layout: AnchorLayout, height: int, width: int) -> tuple[_Grid, ...]:
    found = []
    first = 0
    grids = layout.grids(height, width)
    for (rows, columns), stride, sizes in zip(grids, layout.strides, layout.sizes, strict=True):
        x, y = (((np.arange(cells) + 0.5) * stride).astype(np.float32) for cells in (columns, rows))
        found += [_Grid(size, x, y, first + number, len(sizes)) for number, size in enumerate(sizes)]
        first += rows * columns * len(sizes)
    return tuple(found)
