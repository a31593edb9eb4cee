"""Face detection: average precision by size of face and as WIDER FACE measures it, and the error of landmarks.

docs/how-to/evaluate-a-detector.md says what each number means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facejobs.data.detection.faces import Detections, LabelledImage
from facejobs.evaluation.average_precision import DetectionCounts, Floats, PrecisionRecall, interval_of
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.face_matching import MINIMUM_IOU, Flags, MatchedDetections, match_detections
from facejobs.evaluation.landmark_error import LANDMARK_NAMES, LandmarkError, landmark_error
from facejobs.evaluation.wider_face import WiderFaceSubset

HEADLINE = "20px"
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class SizeBand:
    """Faces whose box is at least `least` and less than `below` pixels high."""

    name: str
    label: str
    least: float
    below: float


BANDS = (
    SizeBand(HEADLINE, "faces from 20 px", 20, np.inf),
    SizeBand("all", "all faces", 0, np.inf),
    SizeBand("under_20px", "under 20 px", 0, 20),
    SizeBand("20_to_50px", "20 to 50 px", 20, 50),
    SizeBand("50_to_100px", "50 to 100 px", 50, 100),
    SizeBand("over_100px", "from 100 px", 100, np.inf),
)


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """The average precision for some of the faces, its 95 % interval, and the curve it sums up.

    `recall` is that of all detections together. `resampled` are the values of the bootstrap's draws, which are the same
    for every detector measured by one protocol.
    """

    name: str
    label: str
    protocol: str
    faces: int
    value: float
    recall: float
    interval: tuple[float, float] | None
    curve: PrecisionRecall = field(repr=False, compare=False)
    resampled: Floats = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """All numbers of one evaluation; `matched` and `counted` are what the headline was computed from."""

    name: str
    scale: str
    images: int
    detections: int
    precisions: tuple[AveragePrecision, ...]
    landmarks: LandmarkError | None
    landmark_protocol: str
    matched: MatchedDetections = field(repr=False, compare=False)
    counted: Flags = field(repr=False, compare=False)

    @property
    def headline(self) -> AveragePrecision | None:
        """The average precision for faces from 20 px; None where the split has no such face."""
        return next((precision for precision in self.precisions if precision.name == HEADLINE), None)

    def metrics(self) -> list[dict[str, Any]]:
        """Return each number as name, value, protocol and interval, for journals and model.json.

        Names end with the test scale: `ap_20px_original`.
        """
        rows = [
            self._metric(f"ap_{measured.name}", measured.value, measured.protocol, measured.interval)
            for measured in self.precisions
        ]
        if self.headline is not None:
            rows.append(self._metric(f"recall_{HEADLINE}", self.headline.recall, self.headline.protocol, None))
        if self.landmarks is not None:
            rows.append(
                self._metric("landmark_error", self.landmarks.mean, self.landmark_protocol, self.landmarks.interval)
            )
            rows.extend(
                self._metric(f"landmark_error_{name}", value, self.landmark_protocol, None)
                for name, value in zip(LANDMARK_NAMES, self.landmarks.per_landmark, strict=True)
                if not np.isnan(value)
            )
        return rows

    def _metric(self, name: str, value: float, protocol: str, interval: tuple[float, float] | None) -> dict[str, Any]:
        return {
            "name": f"{name}_{self.scale}",
            "value": value,
            "protocol": protocol,
            "interval": None if interval is None else list(interval),
        }


def evaluate_detection(
    images: Sequence[LabelledImage],
    detections: Sequence[Detections],
    *,
    name: str,
    fingerprint: str,
    scale: str,
    subsets: Sequence[WiderFaceSubset] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> DetectionResult:
    """Measure `detections`, one for each of `images`, boxes in pixels of the upright photograph, in any order.

    `name` and `fingerprint` are those of the split, `scale` is the name of the test scale, `subsets` what
    wider_face.find_subsets gave for the same images. Raises EvaluationError for scores or boxes that are not finite.
    """
    _check(images, detections)
    matched = match_detections([image.boxes.astype(np.float64) for image in images], detections)
    wanted = ~_not_judged(images, subsets)
    heights = _heights(images)
    of_band = {band.name: wanted & (heights >= band.least) & (heights < band.below) for band in BANDS}
    precisions = [
        (band.name, band.label, "every-score", DetectionCounts.at_every_score(matched, of_band[band.name]))
        for band in BANDS
    ]
    precisions += [
        (subset.name, f"WIDER FACE {subset.name}", "wider-face", _as_wider_face(subset, detections))
        for subset in subsets
    ]

    def protocol(way: str, faces: str) -> str:
        return f"iou-{MINIMUM_IOU}:{way}:{faces}:{fingerprint[:12]}:{scale}"

    return DetectionResult(
        name=name,
        scale=scale,
        images=len(images),
        detections=len(matched.scores),
        precisions=tuple(
            _measure(faces, label, protocol(way, faces), counts, resamples, seed)
            for faces, label, way, counts in precisions
            if counts.faces.any()
        ),
        landmarks=landmark_error(images, detections, matched, of_band[HEADLINE], resamples, seed),
        landmark_protocol=protocol("best-detection", HEADLINE),
        matched=matched,
        counted=of_band[HEADLINE],
    )


def _as_wider_face(subset: WiderFaceSubset, detections: Sequence[Detections]) -> DetectionCounts:
    matched = match_detections(subset.boxes, detections, inclusive=True)
    return DetectionCounts.as_wider_face(matched, np.concatenate(subset.counted))


def _measure(
    name: str, label: str, protocol: str, counts: DetectionCounts, resamples: int, seed: int
) -> AveragePrecision:
    curve = counts.precision_recall()
    resampled = counts.resample(resamples, seed)
    return AveragePrecision(
        name=name,
        label=label,
        protocol=protocol,
        faces=curve.faces,
        value=counts.average_precision(),
        recall=float(curve.recall[-1]) if len(curve.recall) else 0.0,
        interval=interval_of(resampled),
        curve=curve,
        resampled=resampled,
    )


def _heights(images: Sequence[LabelledImage]) -> Floats:
    boxes = np.concatenate([np.empty((0, 4)), *(image.boxes for image in images)])
    # Label files have up to two decimals, which x + w and y + h in float32 blur.
    heights: Floats = np.round(boxes[:, 3] - boxes[:, 1], 2)
    return heights


def _not_judged(images: Sequence[LabelledImage], subsets: Sequence[WiderFaceSubset]) -> Flags:
    """Faces that the labels mark as ignored, or WIDER FACE's files as invalid."""
    flags = [np.empty(0, bool)]
    for number, image in enumerate(images):
        flags.append(image.ignored)
        for subset in subsets:
            invalid = subset.boxes[number][subset.invalid[number]]
            flags[-1] = flags[-1] | (image.boxes[:, None] == invalid[None]).all(axis=2).any(axis=1)
    return np.concatenate(flags)


def _check(images: Sequence[LabelledImage], detections: Sequence[Detections]) -> None:
    if len(images) != len(detections):
        raise ValueError(f"detections in {len(detections)} photographs for {len(images)} labelled ones")
    for image, found in zip(images, detections, strict=True):
        landmarks = np.empty(0) if found.landmarks is None else found.landmarks
        if not all(np.isfinite(values).all() for values in (found.boxes, found.scores, landmarks)):
            raise EvaluationError(
                f"a detection in {image.path} is not finite (NaN or infinite); the model is damaged or its training "
                "has diverged"
            )
