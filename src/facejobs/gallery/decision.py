"""Who a face is, or that nobody knows: what becomes of the best matches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.evaluation.platt_scaling import PlattScaling
from facejobs.gallery.enrolment import UNKNOWN
from facejobs.gallery.matching import Rule, match
from facejobs.gallery.store import Gallery


@dataclass(frozen=True, slots=True)
class Decision:
    """How faces are decided: a best match whose similarity reaches `threshold` gives its name.

    `rule` with `neighbours` says what a similarity is; `scaling`, where there is one, what probability it means.
    """

    threshold: float
    rule: Rule
    neighbours: int
    scaling: PlattScaling | None = None


@dataclass(frozen=True, slots=True)
class RecognisedPerson:
    """What a gallery says of one face.

    `name` is `best`, the most similar person, where the similarity reaches the threshold, else `unknown`. `probability`
    is that the face is of `best`, None where that was not calibrated. `margin` is how much less similar `runner_up` is.
    Without people to compare with, all but `name` is None.
    """

    name: str
    recognised: bool
    best: str | None = None
    similarity: float | None = None
    probability: float | None = None
    runner_up: str | None = None
    margin: float | None = None


def recognise_faces(gallery: Gallery, embeddings: NDArray[np.float32], decision: Decision) -> list[RecognisedPerson]:
    """Return who each of the M faces with these unit `embeddings` (M, D) is."""
    if not len(embeddings):
        return []
    matches = match(gallery, embeddings, decision.rule, decision.neighbours)
    return [
        _recognised(gallery, people, similarities, decision)
        for people, similarities in zip(matches.person.tolist(), matches.similarity.tolist(), strict=True)
    ]


def _recognised(gallery: Gallery, people: list[int], similarities: list[float], decision: Decision) -> RecognisedPerson:
    best, runner_up = (gallery.people[number] if number >= 0 else None for number in people)
    if best is None:
        return RecognisedPerson(UNKNOWN, recognised=False)
    similarity = similarities[0]
    recognised = similarity >= decision.threshold
    return RecognisedPerson(
        name=best if recognised else UNKNOWN,
        recognised=recognised,
        best=best,
        similarity=similarity,
        probability=None if decision.scaling is None else float(decision.scaling.probability(np.array(similarity))),
        runner_up=runner_up,
        margin=None if runner_up is None else similarity - similarities[1],
    )
