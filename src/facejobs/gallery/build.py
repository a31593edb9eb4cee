"""From photographs to a gallery: find the person's face in each, refuse what is unclear or poor, keep the rest."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.gallery.changes import Change, changing, create_gallery
from facejobs.gallery.enrolment import Enrolment, PersonPhotograph, Refusal
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.face_choice import choose_face
from facejobs.gallery.face_quality import QualityLimits, measure_quality
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.face_pipeline import DescribedPhotograph, FacePipeline

_PICTURE_QUALITY = 85


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Enroller:
    """How photographs become enrolled images.

    `pictures`: whether a small picture of each face is kept. `refused` is told of each photograph that is not enrolled,
    `advance` when another photograph is done.
    """

    pipeline: FacePipeline
    limits: QualityLimits = field(default_factory=QualityLimits)
    pictures: bool = True
    refused: Callable[[Refusal], None] = lambda _: None
    advance: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class ChosenFace:
    """A photograph with several `faces`, the largest of which was enrolled."""

    person: str
    path: Path
    faces: int


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A gallery after people were enrolled, and what is to be known of their photographs."""

    gallery: Gallery
    refusals: tuple[Refusal, ...]
    chosen: tuple[ChosenFace, ...]


@dataclass(frozen=True, slots=True)
class _Notes:
    refusals: list[Refusal] = field(default_factory=list)
    chosen: list[ChosenFace] = field(default_factory=list)

    def of(self, gallery: Gallery) -> Enrolled:
        return Enrolled(gallery, tuple(self.refusals), tuple(self.chosen))


def build_gallery(enrolment: Enrolment, folder: Path, enroller: Enroller) -> Enrolled:
    """Make a gallery of all photographs that are good enough; it appears in `folder` whole, or not at all.

    Raises OutputExistsError where `folder` holds something, before any photograph is read; GalleryError where no
    photograph is good enough; OSError where the disk is full.
    """
    notes = _Notes()
    try:
        gallery = create_gallery(
            folder,
            enroller.pipeline.detector_identity,
            enroller.pipeline.recogniser_identity,
            enroller.pipeline.embedding_size,
            _enrol(enrolment, enroller, notes),
        )
    except GalleryError:
        if len(notes.refusals) < len(enrolment.photographs) + len(enrolment.refusals):
            raise
        raise GalleryError(
            f"{folder}: none of the photographs can be enrolled, so no gallery was made; each was named with the reason"
        ) from None
    return notes.of(gallery)


def add_to_gallery(enrolment: Enrolment, folder: Path, enroller: Enroller, replace: bool = False) -> Enrolled:
    """Enrol more photographs in the gallery in `folder`; with `replace`, in place of those that their people have.

    A person of whom no photograph is good enough keeps what they have. Raises GalleryError, leaving the gallery as it
    is, where no photograph can be enrolled, or for a gallery that other models made; OSError where the disk is full.
    """
    Gallery.open(folder).require_models(enroller.pipeline.detector_identity, enroller.pipeline.recogniser_identity)
    notes = _Notes()
    paths = {photograph.sha256: photograph.path for photograph in enrolment.photographs}
    images = list(_enrol(enrolment, enroller, notes))
    with changing(folder) as change:
        # Another process may have built the gallery anew while the photographs were looked at.
        change.gallery.require_models(enroller.pipeline.detector_identity, enroller.pipeline.recogniser_identity)
        people = {image.person for image in images} if replace else set()
        fresh = []
        for image in images:
            owner = _owner(change.gallery, image, people)
            if owner is None:
                fresh.append(image)
                continue
            refusal = Refusal(image.person, paths[image.sha256], _enrolled_already(image, owner))
            enroller.refused(refusal)
            notes.refusals.append(refusal)
        if not fresh:
            raise GalleryError(f"{folder}: none of the photographs can be enrolled; the gallery is as it was")
        if replace:
            _remove(change, {image.person for image in fresh})
        change.add(fresh)
    return notes.of(Gallery.open(folder))


def encode_picture(pixels: NDArray[np.uint8]) -> bytes:
    """The JPEG file of a small picture, uint8 (H, W, 3) RGB."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=_PICTURE_QUALITY)
    return encoded


def _enrol(enrolment: Enrolment, enroller: Enroller, notes: _Notes) -> Iterator[EnrolledImage]:
    for refusal in enrolment.refusals:
        enroller.refused(refusal)
        notes.refusals.append(refusal)
    described = enroller.pipeline.describe_files([photograph.path for photograph in enrolment.photographs])
    for photograph, (_, seen) in zip(enrolment.photographs, described, strict=True):
        image = _enrolled_image(photograph, seen, enroller)
        if isinstance(image, Refusal):
            enroller.refused(image)
            notes.refusals.append(image)
        else:
            if isinstance(seen, DescribedPhotograph) and len(seen.faces) > 1:
                notes.chosen.append(ChosenFace(photograph.person, photograph.path, len(seen.faces)))
            yield image
        enroller.advance()


def _enrolled_image(
    photograph: PersonPhotograph, seen: DescribedPhotograph | DataError, enroller: Enroller
) -> EnrolledImage | Refusal:
    person, path = photograph.person, photograph.path
    if isinstance(seen, DataError):
        return Refusal(person, path, str(seen).removeprefix(f"{path}: "))
    face = choose_face(seen, enroller.limits.least_score)
    if isinstance(face, str):
        return Refusal(person, path, face)
    quality = measure_quality(face)
    reason = quality.refusal(enroller.limits)
    if reason is not None:
        return Refusal(person, path, reason)
    picture = encode_picture(face.aligned) if enroller.pictures else None
    return EnrolledImage(person, path.name, photograph.sha256, face.embedding, quality.value, picture)


def _owner(gallery: Gallery, image: EnrolledImage, replaced: set[str]) -> str | None:
    """Who has this very photograph in the gallery already, but for people who are being replaced."""
    digest = np.frombuffer(bytes.fromhex(image.sha256), np.uint8)
    rows = np.flatnonzero((gallery.table["sha256"] == digest).all(axis=1))
    owners = {gallery.people[int(gallery.person_of_row[row])] for row in rows} - replaced
    return min(owners) if owners else None


def _enrolled_already(image: EnrolledImage, owner: str) -> str:
    if owner == image.person:
        return "this file is enrolled already"
    return f"the same file is enrolled as a photograph of {owner}: it is not known whose it is"


def _remove(change: Change, people: Iterable[str]) -> None:
    for person in people:
        if change.gallery.people.find(person) is not None:
            change.remove(person)
