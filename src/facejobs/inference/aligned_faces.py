"""The faces of a photograph, found and aligned, before they are embedded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.data.alignment import TEMPLATE_SIZE, align_face
from facejobs.data.detection.photographs import Photograph
from facejobs.data.errors import DataError
from facejobs.inference.detector import Detector


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFaces:
    """The N faces of a photograph of `width` x `height` pixels that could be aligned, the highest score first.

    `boxes` (N, 4), `scores` (N,) and `landmarks` (N, 5, 2) are in pixels of the photograph; `crops`
    (N, 112, 112, 3) are the aligned pixels. `unaligned` counts detections whose landmarks are not laid out like a face.
    """

    width: int
    height: int
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    crops: NDArray[np.uint8]
    unaligned: int


def find_aligned_faces(detector: Detector, image: Photograph) -> AlignedFaces:
    """Return the faces that a detector with landmarks finds in an upright photograph, uint8 (H, W, 3) RGB.

    Raises DataError for another array, and ModelError where the detector fails.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0 or image.dtype != np.uint8:
        raise DataError(f"a photograph is uint8 (height, width, 3) RGB, not {image.dtype} {image.shape}")
    found = detector.detect(image)
    assert found.landmarks is not None
    crops, kept = [], []
    for number, points in enumerate(found.landmarks):
        try:
            crops.append(align_face(image, points))
        except DataError:
            continue
        kept.append(number)
    height, width = image.shape[:2]
    return AlignedFaces(
        width,
        height,
        found.boxes[kept],
        found.scores[kept],
        found.landmarks[kept],
        np.stack(crops) if crops else np.empty((0, TEMPLATE_SIZE, TEMPLATE_SIZE, 3), np.uint8),
        len(found) - len(kept),
    )
