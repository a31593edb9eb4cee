"""How far detected landmarks lie from the labelled ones, as a share of the face's size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections, LabelledImage
from facejobs.evaluation.average_precision import interval_of
from facejobs.evaluation.confidence import resample_counts
from facejobs.evaluation.face_matching import Flags, MatchedDetections

LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@dataclass(frozen=True, slots=True)
class LandmarkError:
    """The mean distance of detected from labelled landmarks over the square root of the labelled box's area.

    Over the `faces` that were found and of which a landmark is known. `per_landmark` is in the order of LANDMARK_NAMES,
    NaN where that one is never known; `mean` is over all known points, and `interval` its 95 % bootstrap interval over
    photographs.
    """

    faces: int
    mean: float
    interval: tuple[float, float]
    per_landmark: tuple[float, ...]


def landmark_error(
    images: Sequence[LabelledImage],
    detections: Sequence[Detections],
    matched: MatchedDetections,
    counted: Flags,
    resamples: int,
    seed: int,
) -> LandmarkError | None:
    """Measure the best detection of each `counted` face; None where no face with known landmarks was found with any."""
    hits = np.flatnonzero(matched.hits(counted))
    pairs = [
        (image, found.landmarks[index], face)
        for image, index, face in zip(matched.image[hits], matched.index[hits], matched.face[hits], strict=True)
        if (found := detections[image]).landmarks is not None
    ]
    if not pairs:
        return None
    where = np.array([image for image, _, _ in pairs])
    faces = np.array([face for _, _, face in pairs])
    boxes = np.concatenate([image.boxes for image in images]).astype(np.float64)[faces]
    labelled = np.concatenate([image.landmarks for image in images]).astype(np.float64)[faces]
    distance = np.linalg.norm(np.array([found for _, found, _ in pairs]) - labelled, axis=2)
    size = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return _summarise(distance / size[:, None], where, len(images), resamples, seed)


def _summarise(
    errors: NDArray[np.float64], where: NDArray[np.int64], images: int, resamples: int, seed: int
) -> LandmarkError | None:
    """Average `errors` (N, 5), NaN where not known, of faces in the photographs `where` (N,)."""
    known = ~np.isnan(errors)
    if not known.any():
        return None
    errors = np.where(known, errors, 0)
    sums = np.bincount(where, errors.sum(axis=1), minlength=images)
    counts = np.bincount(where, known.sum(axis=1), minlength=images)
    generator = np.random.default_rng(seed)
    weights = np.stack([resample_counts(generator, images) for _ in range(resamples)])
    with np.errstate(invalid="ignore"):
        interval = interval_of((weights @ sums) / (weights @ counts))
        per_landmark = errors.sum(axis=0) / known.sum(axis=0)
    mean = float(sums.sum() / counts.sum())
    return LandmarkError(
        faces=int(known.any(axis=1).sum()),
        mean=mean,
        interval=interval or (mean, mean),
        per_landmark=tuple(float(value) for value in per_landmark),
    )
