"""Distances from points become boxes and landmarks, level by level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facejobs.data.detection.points import PointLayout

LAYOUT = PointLayout()


def point_of(layout: PointLayout, number: int, height: int, width: int) -> tuple[int, int, int]:
    """x, y and stride of a point, counted one by one."""
    for stride in layout.strides:
        columns = width // stride
        of_level = (height // stride) * columns * layout.per_cell
        if number < of_level:
            cell = number // layout.per_cell
            return cell % columns * stride, cell // columns * stride, stride
        number -= of_level
    raise AssertionError(number)


@given(st.data())
def test_boxes_and_landmarks_are_counted_from_their_point(data: st.DataObject) -> None:
    layout = PointLayout(
        data.draw(st.sampled_from([(8, 16, 32), (8, 16, 32, 64, 128), (4,)])), data.draw(st.integers(1, 3))
    )
    size = tuple(data.draw(st.integers(1, 4)) * layout.multiple for _ in range(2))
    number = data.draw(st.integers(0, layout.count(*size) - 1))
    left, up, right, down = distances = data.draw(arrays(np.float32, 4, elements=st.floats(-50, 50, width=32)))
    offsets = data.draw(arrays(np.float32, (5, 2), elements=st.floats(-50, 50, width=32)))
    x, y, stride = point_of(layout, number, *size)
    chosen = np.array([number])
    expected = [x - left * stride, y - up * stride, x + right * stride, y + down * stride]
    assert layout.decode_boxes(distances[None], chosen, size)[0] == pytest.approx(expected, rel=1e-5, abs=1e-3)
    landmarks = layout.decode_landmarks(offsets.reshape(1, 10), chosen, size)[0]
    assert landmarks == pytest.approx(offsets * stride + np.array([x, y]), rel=1e-5, abs=1e-3)


def test_levels_are_counted() -> None:
    assert LAYOUT.level_counts(640, 640) == [12800, 3200, 800]
    assert LAYOUT.count(64, 96) == 2 * (8 * 12 + 4 * 6 + 2 * 3)
    assert LAYOUT.multiple == 32


def test_what_a_bad_net_says_stays_finite() -> None:
    boxes = LAYOUT.decode_boxes(np.full((1, 4), 3e38, np.float32), np.array([0]), (64, 64))
    assert np.isfinite(boxes).all()


@pytest.mark.parametrize("wrong", [{"strides": ()}, {"strides": (8, 12)}, {"strides": (0,)}, {"per_cell": 0}])
def test_impossible_layouts_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"strides|per_cell"):
        PointLayout(**wrong)
