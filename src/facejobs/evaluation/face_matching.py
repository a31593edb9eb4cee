"""Which face each detection stands for, over many photographs at once.

The rule is that of WIDER FACE's evaluation program, and of PASCAL VOC's: a detection stands for the one face of its
photograph that it overlaps most, whether that face counts or not, if their intersection over union is at least 0.5.
Of several detections that stand for one face, the best has found it. docs/how-to/evaluate-a-detector.md says it at
length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.overlap import intersection_over_union

MINIMUM_IOU = 0.5
NO_FACE = -1

Boxes = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class MatchedDetections:
    """D detections in I photographs that hold F faces, both numbered through all photographs.

    Detections are in the order of their scores, the highest first. `image` (D,) is the photograph of each, `index` (D,)
    its place among the detections of that photograph, `scores` (D,); `face` (D,) is what it stands for, or NO_FACE;
    `best` (D,) says whether no earlier one stands for the same face. `image_of_face` is (F,).
    """

    images: int
    image: NDArray[np.int64]
    index: NDArray[np.int64]
    scores: NDArray[np.float64]
    face: NDArray[np.int64]
    best: Flags
    image_of_face: NDArray[np.int64]

    def hits(self, counted: Flags) -> Flags:
        """Which detections (D,) have found a face, where the faces that are `counted` (F,) are looked for."""
        found: Flags = self.best & self._stands_for(counted)
        return found

    def false_alarms(self, counted: Flags) -> Flags:
        """Which detections (D,) stand for no face or repeat a counted one.

        Those that stand for a face that is not counted are neither hits nor false alarms.
        """
        false: Flags = (self.face == NO_FACE) | (~self.best & self._stands_for(counted))
        return false

    def _stands_for(self, counted: Flags) -> Flags:
        # The last place answers for NO_FACE.
        stands: Flags = np.append(counted, False)[self.face]
        return stands


def match_detections(
    boxes: Sequence[Boxes], detections: Sequence[Detections], inclusive: bool = False
) -> MatchedDetections:
    """Match the detections in each photograph with its labelled `boxes` (N, 4), x1 y1 x2 y2.

    `inclusive` takes x2 and y2 for the last pixel inside, as WIDER FACE's program does: every side is one pixel longer.
    Detections may be in any order; of equal scores the earlier one comes first.
    """
    ends = np.cumsum([0, *map(len, boxes)])
    faces = [
        _most_overlapped(labelled, found.boxes.astype(np.float64), inclusive, start)
        for labelled, found, start in zip(boxes, detections, ends, strict=False)
    ]
    counts = [len(found) for found in detections]
    # The empty array first, for a set of no photographs.
    scores = np.concatenate([np.empty(0), *(found.scores for found in detections)])
    order = np.argsort(-scores, kind="stable")
    face = np.concatenate([np.empty(0, np.int64), *faces])[order]
    best = np.zeros(len(face), bool)
    best[np.unique(face, return_index=True)[1]] = True
    return MatchedDetections(
        images=len(boxes),
        image=np.repeat(np.arange(len(detections)), counts)[order],
        index=np.concatenate([np.empty(0, np.int64), *map(np.arange, counts)])[order],
        scores=scores[order],
        face=face,
        best=best & (face != NO_FACE),
        image_of_face=np.repeat(np.arange(len(boxes)), [len(labelled) for labelled in boxes]),
    )


def _most_overlapped(labelled: Boxes, found: Boxes, inclusive: bool, start: int) -> NDArray[np.int64]:
    if len(labelled) == 0 or len(found) == 0:
        return np.full(len(found), NO_FACE)
    longer = np.array([0, 0, 1, 1]) if inclusive else 0
    overlap = intersection_over_union(found + longer, labelled.astype(np.float64) + longer)
    return np.where(overlap.max(axis=1) >= MINIMUM_IOU, start + overlap.argmax(axis=1), NO_FACE)
