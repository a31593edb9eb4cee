"""Intersection over union, against its definition."""

import numpy as np
import pytest
from face_boxes import box_tables
from hypothesis import given

from facejobs.data.detection.overlap import areas, intersection_over_union


def quotient(one: list[float], other: list[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = width * height if width > 0 and height > 0 else 0.0
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return shared / union if union else 0.0


@given(box_tables(6), box_tables(6))
def test_it_is_the_quotient_of_the_definition(first: np.ndarray, second: np.ndarray) -> None:
    result = intersection_over_union(first, second)
    expected = [[quotient(one, other) for other in second.tolist()] for one in first.tolist()]
    assert result.shape == (len(first), len(second))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.reshape(expected, result.shape), rtol=1e-6)
    np.testing.assert_array_equal(result.T, intersection_over_union(second, first))


def test_boxes_without_area_overlap_nothing_not_even_themselves() -> None:
    flat = np.array([[3, 4, 3, 9], [5, 5, 5, 5]], np.float32)
    around = np.array([[0, 0, 10, 10]], np.float32)
    assert not intersection_over_union(flat, np.concatenate([flat, around])).any()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_precision_is_that_of_the_boxes(kind: type) -> None:
    boxes = np.array([[0, 0, 3, 1], [1, 0, 4, 1]], kind)
    assert intersection_over_union(boxes, boxes).dtype == kind
    assert intersection_over_union(boxes, boxes)[0, 1] == kind(2) / kind(4)
    assert areas(boxes).tolist() == [3, 3]
