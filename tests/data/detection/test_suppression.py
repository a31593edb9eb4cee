"""Non-maximum suppression, against its definition."""

import numpy as np
import pytest
from face_boxes import box_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.detection.overlap import areas, intersection_over_union
from facejobs.data.detection.suppression import suppress


def one_by_one(boxes: np.ndarray, scores: np.ndarray, iou: float) -> list[int]:
    kept: list[int] = []
    table = intersection_over_union(boxes, boxes)
    no_area = areas(boxes) == 0
    table[no_area[:, None] & no_area] = 1
    for number in sorted(range(len(boxes)), key=lambda number: (-scores[number], number)):
        if all(table[number, other] <= np.float32(iou) for other in kept):
            kept.append(number)
    return kept


@given(box_tables(30, reach=30), st.data())
def test_it_equals_its_definition_ties_included(boxes: np.ndarray, data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.integers(0, 9), min_size=len(boxes), max_size=len(boxes)))
    iou = data.draw(st.sampled_from([0.0, 0.25, 0.4, 0.5, 1.0]))
    scores = np.array(scores, np.float32) / 10
    assert suppress(boxes, scores, iou).tolist() == one_by_one(boxes, scores, iou)


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1), st.sampled_from([20, 60, 200]))
def test_it_equals_its_definition_on_many_boxes(seed: int, reach: int) -> None:
    random = np.random.default_rng(seed)
    boxes = random.integers(0, reach, (400, 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + random.integers(1, 20, (400, 2))
    scores = random.integers(0, 300, 400).astype(np.float32)
    assert suppress(boxes, scores, 0.3).tolist() == one_by_one(boxes, scores, 0.3)


@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one(count: int) -> None:
    boxes = np.array([[1, 2, 3, 4]], np.float32)[:count]
    assert suppress(boxes, np.ones(count, np.float32), 0.4).tolist() == list(range(count))


def test_boxes_that_a_suppressed_box_overlaps_stay() -> None:
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress(boxes, scores, 0.4).tolist() == [0, 2]
    assert suppress(boxes, scores[::-1], 0.4).tolist() == [2, 0]
