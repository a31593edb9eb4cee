"""Which face of a photograph is the person's."""

import numpy as np
from numpy.typing import NDArray

from facejobs.inference.face_pipeline import DescribedFace, DescribedPhotograph

_LARGER = 2.0
"""How many times the area of every other face the person's must have."""


def choose_face(photograph: DescribedPhotograph, least_score: float = 0.0) -> DescribedFace | str:
    """Return the face of the person that a photograph is of, or why it is not known which one that is.

    Of several, it is the one that has twice the area of each other and is also the most prominent one, by its area less
    twice the square of its distance from the middle of the photograph: where size and place disagree, nobody guesses.
    Faces of a score below `least_score` count only where there is no other.
    """
    faces = _sure_faces(photograph, least_score)
    if not faces:
        if photograph.unaligned:
            return "no face whose landmarks are laid out like a face"
        return "no face found"
    boxes = np.stack([face.box for face in faces]).astype(np.float64)
    areas = _areas(boxes)
    largest = int(areas.argmax())
    others = np.delete(areas, largest)
    if len(others) and areas[largest] < _LARGER * others.max():
        return f"{len(faces)} faces, and none is twice as large as each other"
    if int(_prominence(boxes, areas, photograph).argmax()) != largest:
        return f"{len(faces)} faces, and the largest is not the one in the middle"
    return faces[largest]


def most_prominent_face(photograph: DescribedPhotograph, least_score: float = 0.0) -> DescribedFace | None:
    """Return the most prominent face by the measure of `choose_face`, however close the next; None without any."""
    faces = _sure_faces(photograph, least_score)
    if not faces:
        return None
    boxes = np.stack([face.box for face in faces]).astype(np.float64)
    areas = _areas(boxes)
    return faces[int(_prominence(boxes, areas, photograph).argmax())]


def _sure_faces(photograph: DescribedPhotograph, least_score: float) -> tuple[DescribedFace, ...]:
    return tuple(face for face in photograph.faces if face.score >= least_score) or photograph.faces


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas


def _prominence(
    boxes: NDArray[np.float64], areas: NDArray[np.float64], photograph: DescribedPhotograph
) -> NDArray[np.float64]:
    middle = np.array([photograph.width, photograph.height]) / 2
    distances = (boxes[:, :2] + boxes[:, 2:]) / 2 - middle
    prominence: NDArray[np.float64] = areas - 2 * (distances**2).sum(axis=1)
    return prominence
