"""Pictures show every box, and scores only where they hide none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.face_drawing import FOUND, draw_box, draw_detections, draw_labels
from facejobs.data.detection.faces import Detections


def detections(*boxes: tuple[float, ...], landmarks: np.ndarray | None = None) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.87, np.float32), landmarks)


def is_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == colour).all(axis=2)


@pytest.mark.parametrize("side", [320, 1000, 4000])
def test_lines_grow_with_the_picture(side: int) -> None:
    picture = np.full((side, side, 3), 128, np.uint8)
    draw_box(picture, np.array([0.2, 0.2, 0.8, 0.8], np.float32) * side, FOUND)
    row = is_colour(picture, FOUND)[side // 2]
    left = row[: side // 2].sum()
    assert left == row[side // 2 :].sum()
    assert side / 600 <= left <= side / 200
    # A dark edge at both sides of the line.
    assert is_colour(picture, (0, 0, 0))[side // 2].sum() >= 4


def test_small_faces_get_thin_lines_in_large_pictures() -> None:
    picture = np.zeros((4000, 4000, 3), np.uint8)
    draw_box(picture, np.array([100, 100, 120, 124], np.float32), FOUND)
    assert is_colour(picture, FOUND)[112, 90:110].sum() == 1


def test_the_photograph_itself_is_left_alone() -> None:
    image = np.full((200, 200, 3), 90, np.uint8)
    image.setflags(write=False)
    picture = draw_detections(image, detections((20, 60, 120, 160)))
    assert (picture != image).any()
    assert (image == 90).all()


@pytest.mark.parametrize(("box", "rows"), [((20, 60, 80, 120), slice(0, 59)), ((20, 1, 80, 61), slice(63, 200))])
def test_a_score_stands_above_its_box_or_else_below(box: tuple[float, ...], rows: slice) -> None:
    picture = np.full((200, 200, 3), 90, np.uint8)
    draw_labels(picture, np.array([box], np.float32), ["0.87"], FOUND)
    written = (picture != 90).any(axis=2)
    assert written[rows].sum() > 100
    written[rows] = False
    assert not written.any()


def test_a_score_that_would_hide_another_face_is_left_out() -> None:
    picture = np.full((100, 100, 3), 90, np.uint8)
    boxes = np.array([[20, 30, 60, 60], [20, 10, 60, 29], [20, 62, 60, 99]], np.float32)
    draw_labels(picture, boxes, ["0.87", "", ""], FOUND)
    for left, top, right, bottom in boxes.astype(int):
        assert (picture[top:bottom, left:right] == 90).all()


def test_points_are_drawn_where_they_are_and_unknown_ones_not() -> None:
    points = np.full((1, 5, 2), np.nan, np.float32)
    points[0, 2] = 100, 120
    image = np.full((200, 200, 3), 90, np.uint8)
    with_point = draw_detections(image, detections((50, 50, 150, 170), landmarks=points))
    without = draw_detections(image, detections((50, 50, 150, 170)))
    rows, columns = np.nonzero((with_point != without).any(axis=2))
    assert (rows.mean(), columns.mean()) == pytest.approx((120, 100), abs=0.1)
    assert 3 <= np.ptp(rows) <= 12


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.lists(st.tuples(*[st.floats(-300, 500, width=32)] * 4), max_size=8),
)
def test_no_box_is_too_odd_to_draw(shape: tuple[int, int], boxes: list[tuple[float, ...]]) -> None:
    found = detections(*boxes, landmarks=np.zeros((len(boxes), 5, 2), np.float32))
    assert draw_detections(np.zeros((*shape, 3), np.uint8), found).shape == (*shape, 3)
