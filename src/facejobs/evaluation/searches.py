"""One-to-many searches: what a gallery of N people answers to a probe, as far as its evaluation needs it.

The terms are those of ISO/IEC 19795-1:2021. A search is mated where the person on the probe is enrolled, their gallery
entry is the mate; else it is non-mated, and the person is a stranger.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.evaluation.errors import EvaluationError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

NOBODY = -1


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """P searches in a gallery of `people` people; every array has one item a probe.

    `mates` is the person on the probe, NOBODY for a stranger. `searched` is False where no face was found, so that
    there was nothing to search with. `ranks` is the mate's rank from 1, behind everybody who is as similar; 0 for a
    stranger and for what was not searched. `rivals` is the most similar person but the mate, the first of equals,
    NOBODY where there is none. Similarities of what is not there are -inf.
    """

    people: int
    mates: Ints
    searched: Flags
    ranks: Ints
    mate_similarity: Floats
    rivals: Ints
    rival_similarity: Floats

    def __len__(self) -> int:
        return len(self.mates)

    @property
    def mated(self) -> Flags:
        """Which searches have a mate."""
        mated: Flags = self.mates != NOBODY
        return mated

    @property
    def returned(self) -> Ints:
        """Who is most similar, the mate only if nobody else is as similar; NOBODY where nothing was searched."""
        return np.where(self.ranks == 1, self.mates, self.rivals)

    @property
    def top_similarity(self) -> Floats:
        """The similarity of `returned`: a search names that person at every threshold up to it."""
        return np.where(self.ranks == 1, self.mate_similarity, self.rival_similarity)


def search(similarities: NDArray[np.float32 | np.float64], mates: Ints, searched: Flags) -> Searches:
    """Reduce the similarities (P, N) of P probes to N enrolled people; higher is more similar.

    `mates` (P,) are columns or NOBODY; rows that were not `searched` (P,) are passed over. A person without a template
    has similarity -inf. Raises EvaluationError for NaN or +inf, ValueError for arrays that do not fit together.
    """
    probes, people = similarities.shape
    if mates.shape != (probes,) or searched.shape != (probes,) or (mates < NOBODY).any() or (mates >= people).any():
        raise ValueError(f"similarities {similarities.shape} with mates {mates.shape} and searched {searched.shape}")
    scores = np.array(similarities, np.float64)
    if not (scores[searched] < np.inf).all():
        raise EvaluationError(
            "a similarity is not finite (NaN or infinite); the model is damaged or its training has diverged"
        )
    scores[~searched] = -np.inf
    rows, has_mate = np.arange(probes), (mates != NOBODY) & searched
    mate_similarity = np.where(has_mate, scores[rows, mates] if people else -np.inf, -np.inf)
    ranks = np.where(has_mate, (scores >= mate_similarity[:, None]).sum(axis=1), 0)
    scores[rows[has_mate], mates[has_mate]] = -np.inf
    rivals = scores.argmax(axis=1) if people else np.full(probes, NOBODY)
    rival_similarity = scores[rows, rivals] if people else np.full(probes, -np.inf)
    return Searches(
        people=people,
        mates=mates.astype(np.int64),
        searched=searched,
        ranks=ranks.astype(np.int64),
        mate_similarity=mate_similarity,
        rivals=np.where(np.isneginf(rival_similarity), NOBODY, rivals).astype(np.int64),
        rival_similarity=rival_similarity,
    )


def joined(parts: Sequence[Searches]) -> Searches:
    """One set of searches from several in the same gallery, at least one."""
    columns = ("mates", "searched", "ranks", "mate_similarity", "rivals", "rival_similarity")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return Searches(people=parts[0].people, **arrays)
