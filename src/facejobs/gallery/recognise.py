"""Who is in photographs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facejobs.data.errors import DataError
from facejobs.gallery.decision import Decision, RecognisedPerson, recognise_faces
from facejobs.gallery.store import Gallery
from facejobs.inference.face_pipeline import DescribedPhotograph, FacePipeline


@dataclass(frozen=True, slots=True, eq=False)
class RecognisedPhotograph:
    """The faces of a photograph and, in the same order, who they are."""

    photograph: DescribedPhotograph
    people: list[RecognisedPerson]


def recognise_files(
    pipeline: FacePipeline, gallery: Gallery, decision: Decision, paths: Iterable[Path]
) -> Iterator[tuple[Path, RecognisedPhotograph | DataError]]:
    """Yield each path with who is in its photograph, in order, or with the error where it cannot be read.

    Raises GalleryError where other models made the gallery, ModelError where a model's answer is not as described.
    """
    gallery.require_models(pipeline.detector_identity, pipeline.recogniser_identity)
    for path, photograph in pipeline.describe_files(paths):
        if isinstance(photograph, DataError):
            yield path, photograph
        else:
            faces = [face.embedding for face in photograph.faces]
            people = recognise_faces(gallery, np.stack(faces), decision) if faces else []
            yield path, RecognisedPhotograph(photograph, people)
