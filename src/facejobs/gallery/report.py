"""The report of a gallery: who is in it, what was refused and why, and what looks like a mix-up."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from facejobs.data.detection.photographs import read_photograph
from facejobs.data.errors import DataError, OutputExistsError
from facejobs.gallery.build import ChosenFace, encode_picture
from facejobs.gallery.changes import REPORT_NAME
from facejobs.gallery.enrolment import Refusal
from facejobs.gallery.mix_ups import MOST_IMAGES, MixUps, find_mix_ups
from facejobs.gallery.report_page import GENERATOR, RefusedPicture, ReportContent, render
from facejobs.gallery.store import Gallery
from facejobs.storage.whole_file import whole_file, write_all

_MOST_PICTURES = 500
_PICTURE_SIDE = 160
_SIGNATURE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report says: the gallery, likely mix-ups, and what was refused and chosen when people were enrolled last.

    `mix_ups` is None for a gallery that is too large to compare each image with each.
    """

    gallery: Gallery
    mix_ups: MixUps | None
    refusals: tuple[Refusal, ...]
    chosen: tuple[ChosenFace, ...]

    @property
    def refused_photographs(self) -> int:
        """How many photographs were refused; folders are not counted."""
        return sum(not refusal.path.is_dir() for refusal in self.refusals)

    @property
    def without_image(self) -> list[str]:
        """Those of whose photographs none was enrolled, by name."""
        missed = {refusal.person for refusal in self.refusals if refusal.person is not None}
        return sorted(person for person in missed if self.gallery.people.find(person) is None)


def examine(gallery: Gallery, refusals: Sequence[Refusal] = (), chosen: Sequence[ChosenFace] = ()) -> Findings:
    """Look for mix-ups in a gallery."""
    small = len(gallery.embeddings) <= MOST_IMAGES
    mix_ups = find_mix_ups(gallery.embeddings, gallery.person_of_row) if small else None
    return Findings(gallery, mix_ups, tuple(refusals), tuple(chosen))


def check_replaceable(path: Path) -> None:
    """Raise OutputExistsError unless `path` is free or holds an earlier report."""
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise OutputExistsError(f"{path}: is not a file; name a file for the report, such as {path / REPORT_NAME}")
    with path.open("rb") as file:
        if GENERATOR.encode() not in file.read(_SIGNATURE_BYTES):
            raise OutputExistsError(f"{path}: is no report of facejobs and is left as it is; name another file")


def write_report(findings: Findings, path: Path) -> None:
    """Write one HTML file that needs no other; raises OutputExistsError where `path` holds anything but a report."""
    check_replaceable(path)
    page = render(
        ReportContent(findings.gallery, findings.mix_ups, _pictures(findings), findings.without_image, findings.chosen)
    )
    with whole_file(path) as descriptor:
        write_all(descriptor, page.encode(), 0)


def _pictures(findings: Findings) -> list[RefusedPicture]:
    return [
        RefusedPicture(refusal.person, refusal.path, refusal.reason, _picture(refusal.path, number))
        for number, refusal in enumerate(findings.refusals)
    ]


def _picture(path: Path, number: int) -> bytes | None:
    """A small picture of a refused photograph; none of a folder or an unreadable file, and not of too many."""
    if number >= _MOST_PICTURES or not path.is_file():
        return None
    try:
        image = read_photograph(path)
    except DataError:
        return None
    ratio = min(1.0, _PICTURE_SIDE / max(image.shape[:2]))
    height, width = (max(1, round(side * ratio)) for side in image.shape[:2])
    return encode_picture(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
