"""Which anchors are to find which face, which are background, and which the loss leaves out."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.anchor_search import AnchorGrids, anchor_grids, find_sharing
from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.overlap import areas

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
    grids = anchor_grids(layout, height, width)
    usable = np.flatnonzero(~ignored)
    face, anchor, iou = _overlaps(grids, boxes[usable], min(rule.best_iou, rule.negative_iou))
    order = np.lexsort((anchor, face, -iou))
    face, anchor, iou = usable[face[order]], anchor[order], iou[order]

    labels[anchor[iou >= rule.negative_iou]] = LEFT_OUT
    # The best pair of an anchor is written last and stays.
    positive = np.flatnonzero(iou >= rule.positive_iou)[::-1]
    faces[anchor[positive]] = face[positive]
    best = np.count_nonzero(iou >= rule.best_iou)
    found, own = _give_best(face[:best], anchor[:best])
    faces[own] = found

    unfound = np.ones(len(boxes), np.bool_)
    unfound[found] = False
    if unfound.any():
        labels[_around(layout, grids, boxes[unfound], rule.negative_iou)] = LEFT_OUT
    labels[faces >= 0] = FACE
    return Matching(labels, faces)


def _give_best(faces: NDArray[np.intp], anchors: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return faces and an anchor of its own for each, from pairs in falling order of overlap."""
    found, best = np.unique(faces, return_index=True)
    own = anchors[best]
    if len(set(own.tolist())) == len(own):
        return found, own
    given: dict[int, int] = {}
    taken = set()
    for face, anchor in zip(faces.tolist(), anchors.tolist(), strict=True):
        if face not in given and anchor not in taken:
            given[face] = anchor
            taken.add(anchor)
    return np.array(list(given), np.intp), np.array(list(given.values()), np.intp)


def _overlaps(
    grids: AnchorGrids, boxes: NDArray[np.float32], least: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return box, anchor and intersection over union of the pairs in which that is at least `least`."""
    area = areas(boxes)
    # intersection / (both areas - intersection) >= least, solved for the intersection; a little less, to be decided by
    # the quotient itself.
    needed = np.float32(0.999 * least / (1 + least)) * (area[:, None] + grids.size**2)
    box, anchor, shared, anchor_area = find_sharing(grids, boxes, needed)
    iou = shared / (area[box] + anchor_area - shared)
    enough = iou >= least
    return box[enough], anchor[enough], iou[enough]


def _around(layout: AnchorLayout, grids: AnchorGrids, boxes: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Return the anchors that overlap one of `boxes` by `iou`, or lie at least half inside.

    A box smaller than the smallest anchor counts as being of that size, for it is such an anchor that would find it.
    """
    smallest = min(min(sizes) for sizes in layout.sizes)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.maximum(boxes[:, 2:] - boxes[:, :2], smallest) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    anchor_areas = grids.size**2
    needed = np.minimum(np.float32(iou / (1 + iou)) * (areas(boxes)[:, None] + anchor_areas), anchor_areas / 2)
    return find_sharing(grids, boxes, needed).anchors
