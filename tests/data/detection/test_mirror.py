"""Mirrored boxes and landmarks."""

import numpy as np
from face_boxes import box_tables
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.mirror import mirror_boxes, mirror_landmarks


@given(box_tables(10), st.integers(1, 200))
def test_mirroring_twice_changes_nothing(boxes: np.ndarray, width: int) -> None:
    np.testing.assert_array_equal(mirror_boxes(mirror_boxes(boxes, width), width), boxes)
    landmarks = np.repeat(boxes, 3, axis=1)[:, :10].reshape(-1, 5, 2)
    before = landmarks.copy()
    np.testing.assert_array_equal(mirror_landmarks(mirror_landmarks(landmarks, width), width), landmarks)
    np.testing.assert_array_equal(landmarks, before)


def test_left_and_right_change_places() -> None:
    boxes = np.array([[10, 20, 40, 60]], np.float32)
    assert mirror_boxes(boxes, 100).tolist() == [[60, 20, 90, 60]]
    landmarks = np.array([[[15, 30], [32, 31], [20, 40], [16, 50], [30, 52]]], np.float32)
    assert mirror_landmarks(landmarks, 100).tolist() == [[[68, 31], [85, 30], [80, 40], [70, 52], [84, 50]]]


def test_what_is_not_known_stays_unknown() -> None:
    assert np.isnan(mirror_landmarks(np.full((2, 5, 2), np.nan, np.float32), 64)).all()
