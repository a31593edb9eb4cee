"""Decision thresholds on similarity scores: a pair is accepted where its score is at least the threshold.

All choices are exact: every threshold that decides the given scores differently is considered, no grid.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]


def most_accurate_threshold(scores: Scores, same: Flags) -> float:
    """Return the threshold that decides most of the given pairs rightly.

    Candidates are the points midway between neighbouring distinct scores, the lowest score (accept all)
    and the next number above the highest (accept none). Among equally good ones the highest, which accepts
    the fewest pairs, is taken. Raises ValueError without scores.
    """
    if not len(scores):
        raise ValueError("a threshold needs at least one score")
    order = np.argsort(-scores, kind="stable")
    descending, same = scores[order], same[order]
    genuine_accepted = np.concatenate([[0], np.cumsum(same)])
    impostors_accepted = np.arange(len(scores) + 1) - genuine_accepted
    right = genuine_accepted + (len(scores) - same.sum() - impostors_accepted)
    # Equal scores are accepted or rejected together.
    divides = np.concatenate([[True], descending[1:] != descending[:-1], [True]])
    accepted = int(np.flatnonzero(divides)[np.argmax(right[divides])])
    return _threshold_accepting(descending, accepted)


def _threshold_accepting(descending: Scores, accepted: int) -> float:
    if accepted == 0:
        return float(np.nextafter(descending[0], np.inf))
    if accepted == len(descending):
        return float(descending[-1])
    return midpoint(float(descending[accepted]), float(descending[accepted - 1]))


def midpoint(low: float, high: float) -> float:
    """Return a number in (low, high] midway between the two: accepts `high`, rejects `low`."""
    middle = low + (high - low) / 2
    return middle if middle > low else high


@dataclass(frozen=True, slots=True)
class OrderedScores:
    """Genuine and impostor scores, each sorted descending, for repeated weighted readings of TAR at FAR."""

    genuine: Scores
    impostor: Scores
    genuine_order: NDArray[np.int64]
    impostor_order: NDArray[np.int64]
    genuine_above: NDArray[np.int64]  # (impostors,) number of genuine scores strictly above each impostor score

    @classmethod
    def of(cls, scores: Scores, same: Flags) -> "OrderedScores":
        """Sort the scores of genuine (`same`) and impostor pairs."""
        genuine, impostor = scores[same], scores[~same]
        genuine_order = np.argsort(-genuine, kind="stable")
        impostor_order = np.argsort(-impostor, kind="stable")
        genuine, impostor = genuine[genuine_order], impostor[impostor_order]
        above = np.searchsorted(-genuine, -impostor, side="left")
        return cls(genuine, impostor, genuine_order, impostor_order, above)

    def first_refused(self, far: float, impostor_weights: NDArray[np.int64] | None = None) -> int:
        """Return the position of the impostor whose score the threshold must exceed.

        It is the highest score at which the accepted share of (weighted) impostors would pass `far`;
        -1 where all impostors may be accepted.
        """
        total = len(self.impostor) if impostor_weights is None else int(impostor_weights.sum())
        allowed = far * total + 1e-9 * total
        if impostor_weights is None:
            position = int(np.floor(allowed))
            return position if position < total else -1
        accepted = np.cumsum(impostor_weights[self.impostor_order])
        position = int(np.searchsorted(accepted, allowed, side="right"))
        return position if position < len(accepted) else -1

    def tar_at_far(
        self,
        far: float,
        genuine_weights: NDArray[np.int64] | None = None,
        impostor_weights: NDArray[np.int64] | None = None,
    ) -> float:
        """Return the (weighted) share of genuine pairs accepted at the lowest threshold with FAR at most `far`."""
        refused = self.first_refused(far, impostor_weights)
        accepted = len(self.genuine) if refused < 0 else int(self.genuine_above[refused])
        if genuine_weights is None:
            return accepted / len(self.genuine)
        return float(genuine_weights[self.genuine_order[:accepted]].sum() / genuine_weights.sum())

    def threshold_at_far(self, far: float) -> float:
        """Return a threshold that accepts what `tar_at_far` counts: midway to the next higher score."""
        refused = self.first_refused(far)
        if refused < 0:
            return float(min(self.impostor[-1], self.genuine[-1]))
        limit = float(self.impostor[refused])
        higher = [float(scores[scores > limit][-1]) for scores in (self.genuine, self.impostor) if scores[0] > limit]
        return midpoint(limit, min(higher)) if higher else float(np.nextafter(limit, np.inf))

    def roc(self) -> tuple[Scores, Scores]:
        """Return (far, tar): tar[k] is the TAR at FAR at most far[k] = k / impostors, k = 0..impostors."""
        count = len(self.impostor)
        tar = np.append(self.genuine_above / len(self.genuine), 1.0)
        return np.arange(count + 1) / count, tar
