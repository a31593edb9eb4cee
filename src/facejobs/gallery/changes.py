"""Making and changing galleries so that at every moment the folder is the old gallery or the new one.

A change writes new files beside the old ones, replaces gallery.json, which says which files count, in one atomic
rename, and then deletes the old files. A process killed in between leaves files that gallery.json does not list; the
next change deletes them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np

from facejobs.data.fresh_output import fresh_directory
from facejobs.gallery.completion import complete
from facejobs.gallery.description import (
    GalleryDescription,
    ModelRecord,
    Role,
    read_description,
    write_description,
)
from facejobs.gallery.draft import Draft
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.lock import locked
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.model_identity import ModelIdentity
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.whole_file import sync_folder

REPORT_NAME = "report.html"
"""The report in the gallery's folder. It shows people, so it goes before anybody's removal can take effect."""

_OURS = re.compile(rf"({'|'.join(get_args(Role))})-[0-9a-f]{{16}}\.[0-9a-z]+|{re.escape(TEMPORARY)}.*")


def create_gallery(
    folder: str | Path,
    detector: ModelIdentity,
    recogniser: ModelIdentity,
    embedding_size: int,
    images: Iterable[EnrolledImage],
) -> Gallery:
    """Make a gallery of these images, which appears whole in `folder`, or not at all.

    `images` may be a generator: vectors and pictures go to the disk one by one. Raises OutputExistsError where `folder`
    holds something, GalleryError for no image or one that cannot be kept, OSError where the disk is full.
    """
    with fresh_directory(Path(folder)) as work, Draft(work, embedding_size) as draft:
        for image in images:
            draft.add(image)
        if not draft.count:
            raise GalleryError(f"{folder}: there is no image to enrol, so no gallery was made")
        _publish(draft, _record(detector), _record(recogniser), None)
    return Gallery.open(folder)


@contextmanager
def changing(folder: str | Path) -> Iterator["Change"]:
    """Change the gallery in `folder`: what the block asked of the yielded Change is done at its end, all or nothing.

    After an exception, or a kill, the gallery is what it was. Others who want to change it wait until this has ended;
    who reads it is not disturbed. Raises GalleryError for a damaged gallery (every byte is verified), and one that is
    being changed for ten minutes; OSError where the disk is full.
    """
    folder = Path(folder)
    read_description(folder)
    with locked(folder):
        gallery = Gallery.open(folder)
        gallery.verify()
        _delete_unlisted(folder, gallery.description)
        with Draft(folder, gallery.embedding_size) as draft:
            change = Change(gallery, draft)
            yield change
            change.commit()


class Change:
    """What is to be done to `gallery`, which is the gallery as it was when the change began."""

    def __init__(self, gallery: Gallery, draft: Draft) -> None:
        self.gallery = gallery
        self._draft = draft
        self._kept = np.ones(len(gallery.embeddings), np.bool_)
        self._calibration = gallery.calibration

    def add(self, images: Iterable[EnrolledImage]) -> None:
        """Enrol these images; raises GalleryError for one that cannot be kept."""
        for image in images:
            self._draft.add(image)

    def remove(self, person: str) -> None:
        """Remove whom the gallery held when the change began; images that this change adds stay.

        So removing and adding somebody replaces them. Raises GalleryError for somebody who is not enrolled.
        """
        self._kept[self.gallery.rows_of(person)] = False

    def set_calibration(self, calibration: Mapping[str, Any] | None) -> None:
        """Keep this JSON object with the gallery in place of the one there; raises GalleryError if it is none."""
        try:
            self._calibration = json.loads(json.dumps(calibration, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise GalleryError(f"a calibration must be plain JSON with finite numbers: {error}") from None

    def commit(self) -> None:
        """Make it the gallery; `changing` calls this."""
        folder, old = self.gallery.folder, self.gallery.description
        if self._draft.count or not self._kept.all():
            self._draft.take_over(self.gallery, self._kept)
            _publish(self._draft, old.detector, old.recogniser, self._calibration)
        elif self._calibration != old.calibration:
            write_description(folder, old.model_copy(update={"calibration": self._calibration}))


def _publish(draft: Draft, detector: ModelRecord, recogniser: ModelRecord, calibration: dict[str, Any] | None) -> None:
    """Make what the draft holds the gallery in its folder, and delete the files of others."""
    completed = complete(draft)
    # A report shows pictures of people who may be leaving.
    (draft.folder / REPORT_NAME).unlink(missing_ok=True)
    sync_folder(draft.folder)
    description = GalleryDescription(
        detector=detector,
        recogniser=recogniser,
        embedding_size=draft.embedding_size,
        calibration=calibration,
        **completed._asdict(),
    )
    write_description(draft.folder, description)
    _delete_unlisted(draft.folder, description)


def _record(model: ModelIdentity) -> ModelRecord:
    return ModelRecord(name=model.name, sha256=model.sha256)


def delete_leftovers(folder: str | Path) -> int:
    """Delete the files that interrupted changes of the gallery in `folder` left; returns how many there were.

    Takes the writers' lock only where there are some, so that a gallery may lie on a read-only disk.
    """
    folder = Path(folder)
    if not _unlisted(folder, read_description(folder)):
        return 0
    with locked(folder):
        return _delete_unlisted(folder, read_description(folder))


def _delete_unlisted(folder: Path, description: GalleryDescription) -> int:
    paths = _unlisted(folder, description)
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _unlisted(folder: Path, description: GalleryDescription) -> list[Path]:
    """The files of older galleries, and of changes that did not come to an end."""
    listed = {record.name for record in description.files.values()}
    return [path for path in folder.iterdir() if path.name not in listed and _OURS.fullmatch(path.name)]
