"""Searches a gallery, or people enrolled for the occasion, for probes: what evaluation/identification.py measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.evaluation.searches import NOBODY, Ints, Searches, joined, search
from facejobs.gallery.calibration import Calibration, calibration_of
from facejobs.gallery.description import DESCRIPTION_NAME
from facejobs.gallery.enrolment import find_enrolment
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.face_source import FaceSource
from facejobs.gallery.person_similarity import PersonSimilarity, SimilarityRule
from facejobs.gallery.probes import Probes, fingerprint
from facejobs.gallery.store import Gallery

# Bounds the memory of similarities: so many of them at once.
_MOST_AT_ONCE = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledPeople:
    """Who can be found: `people` by number, and the unit `embeddings` (R, D) of `person_of_row` (R,).

    Somebody of whom no photograph could be enrolled is among the people without a row; `refused` counts photographs.
    `fingerprint` is a SHA-256 over people and photographs: the same for other models where people are enrolled for the
    occasion, and where a gallery refused none. `digests` are the SHA-256 of the photographs.
    """

    people: Sequence[str]
    embeddings: NDArray[np.float32]
    person_of_row: Ints
    fingerprint: str
    digests: frozenset[str] = field(repr=False)
    refused: int = 0
    calibration: Calibration | None = None

    def threshold(self, rule: SimilarityRule) -> float | None:
        """What the gallery is calibrated to, if that was for this rule and the gallery as it is now."""
        known = self.calibration
        return known.threshold.threshold if known is not None and known.rule == rule else None


def enrolled_people(place: Path, source: FaceSource, advance: Callable[[], None] = lambda: None) -> EnrolledPeople:
    """Open the gallery in `place`, or enrol the people whose folders of photographs are in it, for this once.

    Raises GalleryError where the gallery is damaged, other models made it, or no photograph can be enrolled; DataError
    where there is neither. `advance` is called after each photograph.
    """
    if (place / DESCRIPTION_NAME).exists():
        return _of_gallery(Gallery.open(place), source)
    enrolment = find_enrolment(place)
    photographs = enrolment.photographs
    embeddings = []
    for embedding in source.of_enrolled([photograph.path for photograph in photographs]):
        embeddings.append(embedding)
        advance()
    known = {photograph.person for photograph in photographs}
    people = np.array(sorted(known | {refusal.person for refusal in enrolment.refusals if refusal.person is not None}))
    numbers = np.searchsorted(people, [photograph.person for photograph in photographs])
    rows = [embedding for embedding in embeddings if embedding is not None]
    if not rows:
        raise GalleryError(
            f"{place}: none of its {len(embeddings)} photographs can be enrolled, so nobody can be found; "
            "`facejobs gallery build` names each with the reason"
        )
    return EnrolledPeople(
        people=people.tolist(),
        embeddings=np.stack(rows),
        person_of_row=numbers[[embedding is not None for embedding in embeddings]].astype(np.int64),
        fingerprint=fingerprint((photograph.person, photograph.sha256) for photograph in photographs),
        digests=frozenset(photograph.sha256 for photograph in photographs),
        refused=len(embeddings) - len(rows),
    )


def search_gallery(enrolled: EnrolledPeople, probes: Probes, rule: SimilarityRule) -> Searches:
    """Search for every probe; a probe whose folder has the name of nobody enrolled is of a stranger.

    Raises DataError for a probe that is enrolled itself: that it is found proves nothing.
    """
    for name, digest in zip(probes.names, probes.digests, strict=True):
        if digest in enrolled.digests:
            raise DataError(
                f"{name} of the query folder is one of the photographs that are enrolled, so that it is found proves "
                "nothing; take it out, and search for other photographs only"
            )
    wanted = set(probes.persons)
    numbers = {person: number for number, person in enumerate(enrolled.people) if person in wanted}
    mates = np.array([numbers.get(person, NOBODY) for person in probes.persons], np.int64)
    similarity = PersonSimilarity(enrolled.embeddings, enrolled.person_of_row, len(enrolled.people), rule)
    at_once = max(1, _MOST_AT_ONCE // max(1, len(enrolled.people), len(enrolled.embeddings)))
    parts = []
    for start in range(0, len(mates), at_once):
        rows = slice(start, start + at_once)
        parts.append(search(similarity(probes.embeddings[rows]), mates[rows], probes.searched[rows]))
    return joined(parts)


def _of_gallery(gallery: Gallery, source: FaceSource) -> EnrolledPeople:
    gallery.require_models(source.models.get("detector", gallery.detector), source.models["recogniser"])
    people = list(gallery.people)
    digests = [digest.tobytes().hex() for digest in gallery.table["sha256"]]
    photographs = zip((people[person] for person in gallery.person_of_row), digests, strict=True)
    calibration = calibration_of(gallery)
    return EnrolledPeople(
        people=people,
        embeddings=gallery.embeddings,
        person_of_row=gallery.person_of_row,
        fingerprint=fingerprint(photographs),
        digests=frozenset(digests),
        calibration=calibration if calibration is not None and calibration.holds_for(gallery) else None,
    )
