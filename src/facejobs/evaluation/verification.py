"""1:1 face verification: accuracy by cross-validation, and TAR at fixed FAR.

The protocol is LFW's (Huang et al., 2007) as face recognisers report it: the embeddings of an image and of
its mirror image are added and scaled to unit length, a pair is accepted where the cosine similarity c of
its two embeddings is at least a threshold (equally: where the squared distance, 2 - 2c, is at most one),
and each fold is decided by the threshold that is most accurate on the other folds.
docs/how-to/evaluate-verification.md says what each number means.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.data.pairs import VerificationPairs
from facejobs.evaluation.confidence import (
    RULE_OF_30,
    bootstrap,
    pairs_needed,
    percentile_interval,
    resample_counts,
    wilson_interval,
)
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.thresholds import Flags, OrderedScores, Scores, most_accurate_threshold

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Progress = Callable[[int, int], None]
_ACCURACY = "verification_accuracy"
FARS = (1e-1, 1e-2, 1e-3)
RESAMPLES = 1000
DECODING_THREADS = 2


@dataclass(frozen=True, slots=True)
class NotEnoughPairs:
    """A number that the pairs at hand cannot support: why, how many `what` there are, how many it would take.

    `far` is None for the accuracy.
    """

    far: float | None
    reason: str
    what: str
    present: int
    needed: int

    @property
    def name(self) -> str:
        """The name of the metric that is not given."""
        return _ACCURACY if self.far is None else tar_name(self.far)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy over the folds: mean, and the sample standard deviation (n - 1) between folds.

    `interval` is the 95 % Wilson interval of the mean, taking the pairs as independent. `thresholds[f]`
    decided fold f; `correct` says of each pair whether its fold's threshold decided it rightly.
    """

    mean: float
    deviation: float
    interval: tuple[float, float]
    folds: tuple[float, ...]
    thresholds: tuple[float, ...]
    correct: Flags = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class TarAtFar:
    """True accept rate at the lowest threshold whose false accept rate is at most `far`."""

    far: float
    tar: float
    threshold: float
    interval: tuple[float, float]

    @property
    def name(self) -> str:
        """The metric's name, such as tar_at_far_1e-2."""
        return tar_name(self.far)


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """All numbers of one evaluation, and the scores they were computed from."""

    name: str
    protocol: str
    genuine_pairs: int
    impostor_pairs: int
    image_count: int
    accuracy: Accuracy | None
    tars: tuple[TarAtFar, ...]
    unsupported: tuple[NotEnoughPairs, ...]
    scores: Scores = field(repr=False)
    same: Flags = field(repr=False)
    folds: NDArray[np.int64] = field(repr=False)

    @property
    def squared_distances(self) -> Scores:
        """Squared Euclidean distance of each pair's unit embeddings."""
        return 2.0 - 2.0 * self.scores

    def metrics(self) -> list[dict[str, Any]]:
        """Return each supported number as name, value, protocol and interval, for journals and model.json."""
        rows: list[dict[str, Any]] = []
        if self.accuracy is not None:
            accuracy = self.accuracy
            rows.append(self._metric(_ACCURACY, accuracy.mean, accuracy.interval))
            rows.append(self._metric(f"{_ACCURACY}_deviation", accuracy.deviation, None))
        rows.extend(self._metric(point.name, point.tar, point.interval) for point in self.tars)
        return rows

    def operating_points(self) -> list[dict[str, Any]]:
        """Return the threshold table (protocol, far, threshold, tar); thresholds are cosine similarities."""
        return [
            {"protocol": self.protocol, "far": point.far, "threshold": point.threshold, "tar": point.tar}
            for point in self.tars
        ]

    def _metric(self, name: str, value: float, interval: tuple[float, float] | None) -> dict[str, Any]:
        return {
            "name": name,
            "value": value,
            "protocol": self.protocol,
            "interval": None if interval is None else list(interval),
        }


def evaluate_verification(
    pairs: VerificationPairs,
    embed: Embed,
    batch_size: int = 64,
    progress: Progress | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> VerificationResult:
    """Measure `embed` on `pairs`.

    `embed` maps uint8 (N, H, W, 3) RGB to float (N, E), N <= `batch_size`, and is called on the images and on
    their mirror images. `progress` is called with images done and in all. Raises EvaluationError for embeddings that
    are not finite, sum to zero or have the wrong shape, DataError for images that cannot be decoded.
    """
    embeddings = embed_images(pairs, embed, batch_size, progress)
    scores = np.einsum("ij,ij->i", embeddings[pairs.left], embeddings[pairs.right])
    return score_verification(pairs, scores, resamples, seed)


def embed_images(
    pairs: VerificationPairs, embed: Embed, batch_size: int = 64, progress: Progress | None = None
) -> NDArray[np.float64]:
    """Return (images, E) float64 unit embeddings: image and mirror image added, then scaled."""
    parts: list[NDArray[np.float64]] = []
    done = 0
    for images in pairs.images.batches(batch_size, DECODING_THREADS):
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        names = pairs.images.names[done : done + len(images)]
        total = _checked(embed(images), names, "") + _checked(embed(mirrored), names, "the mirror image of ")
        if parts and total.shape[1] != parts[0].shape[1]:
            raise EvaluationError(f"the model gave embeddings of {parts[0].shape[1]} and of {total.shape[1]} numbers")
        parts.append(_to_unit_length(total, names))
        done += len(images)
        if progress is not None:
            progress(done, len(pairs.images))
    return np.concatenate(parts)


def score_verification(
    pairs: VerificationPairs, scores: Scores, resamples: int = RESAMPLES, seed: int = 0
) -> VerificationResult:
    """Compute every number from the cosine similarity of each pair."""
    same = pairs.same
    unsupported: list[NotEnoughPairs] = []
    accuracy = _accuracy(scores, same, pairs.folds, unsupported)
    tars = _tars(scores, pairs, resamples, seed, unsupported)
    return VerificationResult(
        name=pairs.name,
        protocol=f"{pairs.protocol}:mirror-sum",
        genuine_pairs=int(same.sum()),
        impostor_pairs=int((~same).sum()),
        image_count=len(pairs.images),
        accuracy=accuracy,
        tars=tuple(tars),
        unsupported=tuple(unsupported),
        scores=scores,
        same=same,
        folds=pairs.folds,
    )


def tar_name(far: float) -> str:
    """Return the metric name of TAR at `far`, such as tar_at_far_1e-2."""
    mantissa, exponent = f"{far:e}".split("e")
    return f"tar_at_far_{float(mantissa):g}e{int(exponent)}"


def _accuracy(
    scores: Scores, same: Flags, folds: NDArray[np.int64], unsupported: list[NotEnoughPairs]
) -> Accuracy | None:
    fold_numbers = np.unique(folds)
    if same.all() or not same.any():
        kind = "pairs of different people" if same.all() else "pairs of one person"
        unsupported.append(NotEnoughPairs(None, f"without {kind} one answer to all is always right", kind, 0, 1))
        return None
    if len(fold_numbers) < 2:
        reason = "one fold leaves no other pairs to choose the threshold on"
        unsupported.append(NotEnoughPairs(None, reason, "folds", len(fold_numbers), 2))
        return None
    accuracies, thresholds = [], []
    correct = np.zeros(len(scores), bool)
    for fold in fold_numbers:
        held_out = folds == fold
        threshold = most_accurate_threshold(scores[~held_out], same[~held_out])
        thresholds.append(threshold)
        correct[held_out] = (scores[held_out] >= threshold) == same[held_out]
        accuracies.append(float(np.mean(correct[held_out])))
    mean = float(np.mean(accuracies))
    return Accuracy(
        mean=mean,
        deviation=float(np.std(accuracies, ddof=1)),
        interval=wilson_interval(mean * len(scores), len(scores)),
        folds=tuple(accuracies),
        thresholds=tuple(thresholds),
        correct=correct,
    )


def _tars(
    scores: Scores, pairs: VerificationPairs, resamples: int, seed: int, unsupported: list[NotEnoughPairs]
) -> Iterable[TarAtFar]:
    same = pairs.same
    genuine, impostors = int(same.sum()), int((~same).sum())
    ordered = OrderedScores.of(scores, same)
    for far in FARS:
        if genuine == 0:
            reason = "no true accept can be counted"
            unsupported.append(NotEnoughPairs(far, reason, "pairs of one person", 0, 1))
        elif impostors < pairs_needed(far):
            reason = f"fewer than {RULE_OF_30} false accepts are expected"
            unsupported.append(NotEnoughPairs(far, reason, "pairs of different people", impostors, pairs_needed(far)))
        else:
            interval = _tar_interval(ordered, far, _genuine_clusters(pairs), resamples, seed)
            yield TarAtFar(far, ordered.tar_at_far(far), ordered.threshold_at_far(far), interval)


def _genuine_clusters(pairs: VerificationPairs) -> NDArray[np.int64]:
    genuine = np.flatnonzero(pairs.same)
    if pairs.people is None:
        return np.arange(len(genuine))
    clusters: NDArray[np.int64] = np.unique(pairs.people[pairs.left[genuine]], return_inverse=True)[1]
    return clusters


def _tar_interval(
    ordered: OrderedScores, far: float, clusters: NDArray[np.int64], resamples: int, seed: int
) -> tuple[float, float]:
    """Bootstrap over genuine clusters (people, where known) and impostor pairs, with a new threshold each time."""
    cluster_count, impostors = int(clusters.max()) + 1, len(ordered.impostor)

    def resample(generator: np.random.Generator) -> float:
        genuine_weights = resample_counts(generator, cluster_count)[clusters]
        return ordered.tar_at_far(far, genuine_weights, resample_counts(generator, impostors))

    low, high = percentile_interval(bootstrap(resample, resamples, seed))
    # Where every genuine pair is accepted, resampling sees no spread at all; the score interval does.
    score_low, score_high = wilson_interval(ordered.tar_at_far(far) * len(clusters), len(clusters))
    return min(low, score_low), max(high, score_high)


def _checked(embeddings: NDArray[Any], names: Iterable[str], which: str) -> NDArray[np.float64]:
    names = list(names)
    if embeddings.ndim != 2 or len(embeddings) != len(names):
        raise EvaluationError(
            f"the model gave an array of shape {embeddings.shape} for {len(names)} images; "
            f"expected ({len(names)}, embedding size)"
        )
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        first = names[int(np.argmin(finite))]
        raise EvaluationError(
            f"the model's embedding of {which}{first} is not finite (NaN or infinite), and {int((~finite).sum())} of "
            f"{len(names)} in its batch; the model is damaged or its training has diverged"
        )
    return embeddings.astype(np.float64)


def _to_unit_length(embeddings: NDArray[np.float64], names: Iterable[str]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.linalg.norm(embeddings, axis=1, keepdims=True)
    if not lengths.all():
        first = list(names)[int(np.argmin(lengths))]
        raise EvaluationError(
            f"the embeddings of {first} and of its mirror image add to zero: the model has no direction for it"
        )
    return embeddings / lengths
