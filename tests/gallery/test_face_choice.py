"""The face of the person whom a photograph is of, or none where that is not clear."""

import numpy as np
import pytest

from facejobs.gallery.face_choice import choose_face
from facejobs.inference.face_pipeline import DescribedFace, DescribedPhotograph


def face(x: float, y: float, side: float, score: float = 0.9) -> DescribedFace:
    """A face of `side` pixels around (x, y)."""
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)
    return DescribedFace(
        box, score, np.zeros((5, 2), np.float32), np.zeros(4, np.float32), np.zeros((2, 2, 3), np.uint8)
    )


def photograph(*faces: DescribedFace, unaligned: int = 0) -> DescribedPhotograph:
    return DescribedPhotograph(400, 300, faces, unaligned)


@pytest.mark.parametrize(
    ("others", "clear"),
    [
        ([], True),
        ([(380, 280, 60)], True),
        ([(380, 280, 72)], False),
        ([(380, 280, 100)], False),
        ([(20, 20, 30), (380, 20, 30), (20, 280, 30)], True),
        ([(20 + 18 * i, 20, 15) for i in range(19)], True),
    ],
    ids=["alone", "a small one", "one of half the area", "one as large", "three small ones", "nineteen small ones"],
)
def test_a_face_in_the_middle_must_be_twice_as_large(others: list[tuple[int, int, int]], clear: bool) -> None:
    largest = face(200, 150, 100)
    chosen = choose_face(photograph(*(face(*other) for other in others), largest))
    if clear:
        assert chosen is largest
    else:
        assert isinstance(chosen, str) and f"{len(others) + 1} faces" in chosen


def test_where_size_and_place_disagree_nobody_guesses() -> None:
    assert choose_face(photograph(face(50, 50, 100), face(200, 150, 20))) == (
        "2 faces, and the largest is not the one in the middle"
    )


def test_faces_of_which_the_detector_is_unsure_stand_in_nobodys_way() -> None:
    largest, unsure = face(200, 150, 100), face(60, 60, 90, score=0.4)
    assert choose_face(photograph(largest, unsure), least_score=0.5) is largest
    assert isinstance(choose_face(photograph(largest, unsure)), str)
    assert choose_face(photograph(unsure), least_score=0.5) is unsure


def test_without_a_face_there_is_a_reason() -> None:
    assert choose_face(photograph()) == "no face found"
    assert "laid out like a face" in str(choose_face(photograph(unaligned=1)))
