"""Average precision: how many false alarms a detector gives for the faces it finds, at all thresholds in one number.

All-point, as PASCAL VOC has computed it since 2010 (Everingham and others) and WIDER FACE does: the area under the
precision over recall, where the precision at a recall is the best that is reached at that recall or a higher one.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from facejobs.evaluation.confidence import percentile_interval, resample_counts
from facejobs.evaluation.face_matching import Flags, MatchedDetections

Floats = NDArray[np.float64]
WIDER_FACE_THRESHOLDS = 1000
# Bounds the memory of resampling: so many steps times resamples at once.
_MOST_AT_ONCE = 2_000_000


class OperatingPoint(NamedTuple):
    """What a detector does where only detections that score at least `threshold` are taken; `f1` joins the two."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecall:
    """Precision and recall (S,) of the detections that reach each of the falling `thresholds` (S,)."""

    thresholds: Floats
    precision: Floats
    recall: Floats
    faces: int

    def best_f1(self) -> OperatingPoint | None:
        """Where the harmonic mean of precision and recall is highest; None where nothing is found."""
        total = self.precision + self.recall
        if not total.any():
            return None
        f1 = np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)
        best = int(np.argmax(f1))
        columns = (self.thresholds, self.precision, self.recall, f1)
        return OperatingPoint(*(float(column[best]) for column in columns))


@dataclass(frozen=True, slots=True, eq=False)
class DetectionCounts:
    """What is found step by step as the threshold falls, in each of I photographs.

    `hits` and `false_alarms` (S, I) count what reaches a threshold of `thresholds` (S,) and none of the higher ones;
    `faces` (I,) counts the faces that are looked for.
    """

    thresholds: Floats
    hits: csr_matrix = field(repr=False)
    false_alarms: csr_matrix = field(repr=False)
    faces: NDArray[np.int64] = field(repr=False)

    @classmethod
    def at_every_score(cls, matched: MatchedDetections, counted: Flags) -> "DetectionCounts":
        """Count with every threshold that tells two detections apart; `counted` (F,) are the faces looked for."""
        # Precision peaks where a face is found, so other scores would add nothing; the last ends the curve.
        wanted = matched.hits(counted)
        wanted[-1:] = True
        thresholds = np.unique(matched.scores[wanted])[::-1]
        return cls._at(thresholds, matched.scores, matched, counted)

    @classmethod
    def as_wider_face(cls, matched: MatchedDetections, counted: Flags) -> "DetectionCounts":
        """Count as WIDER FACE's program: scores scaled to 0 to 1 over the whole set, thresholds 0.999, 0.998 … 0.

        Where all scores are equal, which that program cannot scale, they are 1. As there, what is detected in a
        photograph without any labelled face is passed over.
        """
        thresholds = 1 - np.arange(1, WIDER_FACE_THRESHOLDS + 1) / WIDER_FACE_THRESHOLDS
        lowest, highest = matched.scores.min(initial=np.inf), matched.scores.max(initial=-np.inf)
        scores = (matched.scores - lowest) / (highest - lowest) if highest > lowest else np.ones_like(matched.scores)
        scores = np.where(np.isin(matched.image, matched.image_of_face), scores, -np.inf)
        return cls._at(thresholds, scores, matched, counted)

    @classmethod
    def _at(cls, thresholds: Floats, scores: Floats, matched: MatchedDetections, counted: Flags) -> "DetectionCounts":
        step = np.searchsorted(-thresholds, -scores)
        shape = (len(thresholds), matched.images)

        def table(which: Flags) -> csr_matrix:
            which = which & (step < len(thresholds))
            return csr_matrix((np.ones(which.sum()), (step[which], matched.image[which])), shape)

        return cls(
            thresholds,
            table(matched.hits(counted)),
            table(matched.false_alarms(counted)),
            np.bincount(matched.image_of_face[counted], minlength=matched.images),
        )

    def precision_recall(self) -> PrecisionRecall:
        """The curve over all photographs."""
        precision, recall = self._curves(np.ones((len(self.faces), 1)))
        return PrecisionRecall(self.thresholds, precision[:, 0], recall[:, 0], int(self.faces.sum()))

    def average_precision(self) -> float:
        """The average precision over all photographs; NaN where there is no face to look for."""
        return float(self._average_precisions(np.ones((len(self.faces), 1)))[0])

    def resample(self, resamples: int, seed: int) -> Floats:
        """The average precision of `resamples` sets of as many photographs, drawn with replacement.

        One seed draws the same photographs for every detector measured on the same ones, so that two detectors can be
        compared draw by draw. NaN for a draw without a face.
        """
        generator = np.random.default_rng(seed)
        images = len(self.faces)
        at_once = max(1, _MOST_AT_ONCE // max(1, len(self.thresholds)))
        parts = []
        for start in range(0, resamples, at_once):
            count = min(at_once, resamples - start)
            weights = np.stack([resample_counts(generator, images) for _ in range(count)], axis=1)
            parts.append(self._average_precisions(weights.astype(np.float64)))
        return np.concatenate(parts)

    def _average_precisions(self, weights: Floats) -> Floats:
        precision, recall = self._curves(weights)
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        gained = np.diff(recall, axis=0, prepend=0)
        average: Floats = np.where(self.faces @ weights > 0, (gained * best_from_here).sum(axis=0), np.nan)
        return average

    def _curves(self, weights: Floats) -> tuple[Floats, Floats]:
        """Precision and recall (S, R) where photographs are taken `weights` (I, R) times."""
        hits = np.cumsum(self.hits @ weights, axis=0)
        found = hits + np.cumsum(self.false_alarms @ weights, axis=0)
        faces = np.broadcast_to(self.faces @ weights, hits.shape)
        precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
        recall = np.divide(hits, faces, out=np.zeros_like(hits), where=faces > 0)
        return precision, recall


def interval_of(resampled: Floats) -> tuple[float, float] | None:
    """The 95 % interval of resampled values, draws without a face left out; None where no draw has one."""
    resampled = resampled[~np.isnan(resampled)]
    return percentile_interval(resampled) if len(resampled) else None
