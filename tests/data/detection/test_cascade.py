"""The cascade narrows windows down to faces; here nets that look for bright rectangles stand in for trained ones."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.cascade import (
    CascadeSettings,
    crop_windows,
    detect_cascade,
    move_edges,
    propose,
    pyramid,
    refine,
    square,
    windows_of,
)
from facejobs.data.detection.overlap import intersection_over_union
from facejobs.data.detection.prediction import RawPredictions

SETTINGS = CascadeSettings(proposal_threshold=0.4, refinement_threshold=0.5, score_threshold=0.5)
LANDMARKS = np.array([0.25, 0.25, 0.75, 0.25, 0.5, 0.5, 0.25, 0.75, 0.75, 0.75], np.float32)
FACE = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1]], np.uint8)
"""White and black blocks that make a face: no part of it looks like it."""


def likeness(images: np.ndarray) -> RawPredictions:
    """Scores images (n, S, S, 3) by how much they look like a face."""
    size = images.shape[1]
    pattern = np.kron(FACE, np.ones((size // 3, size // 3))) * 255
    scores = np.maximum(1 - np.abs(images[..., 0] - pattern).mean(axis=(1, 2)) / 127.5, 0)
    count = len(images)
    boxes = np.tile(np.array([0.02, 0, 0, -0.02], np.float32), (count, 1, 1))
    return RawPredictions(scores[:, None].astype(np.float32), boxes, np.tile(LANDMARKS, (count, 1, 1)))


def likeness_everywhere(images: np.ndarray) -> RawPredictions:
    """Scores each window of 12 x 12 pixels of every image."""
    views = np.lib.stride_tricks.sliding_window_view(images, (12, 12), axis=(1, 2))[:, ::2, ::2]
    scores = likeness(np.moveaxis(views.reshape(-1, 3, 12, 12), 1, 3)).scores.reshape(len(images), -1)
    return RawPredictions(scores, np.zeros((*scores.shape, 4), np.float32), None)


NETS = likeness_everywhere, likeness, likeness


def photograph(*faces: tuple[int, int, int]) -> np.ndarray:
    image = np.full((200, 300, 3), 127, np.uint8)
    for left, top, side in faces:
        face = cv2.resize(FACE * 255, (side, side), interpolation=cv2.INTER_NEAREST)
        image[top : top + side, left : left + side] = face[..., None]
    return image


@pytest.mark.parametrize("side", [21, 40, 90])
def test_a_face_of_any_size_is_found_once(side: int) -> None:
    found = detect_cascade(NETS, photograph((70, 50, side)), SETTINGS)
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx([70, 50, 70 + side, 50 + side], abs=0.2 * side)
    assert found.landmarks is not None
    left_eye, *_, right_mouth = found.landmarks[0]
    assert left_eye == pytest.approx([70 + side / 4, 50 + side / 4], abs=0.2 * side)
    assert right_mouth == pytest.approx([70 + side * 3 / 4, 50 + side * 3 / 4], abs=0.2 * side)


def test_faces_at_the_border_and_beside_each_other() -> None:
    faces = [(0, 0, 40), (260, 160, 40), (120, 80, 30)]
    found = detect_cascade(NETS, photograph(*faces), SETTINGS)
    boxes = np.array([[left, top, left + side, top + side] for left, top, side in faces], np.float32)
    assert len(found) == 3
    assert (intersection_over_union(boxes, found.boxes).max(axis=1) > 0.7).all()
    assert np.diff(found.scores).max() <= 0


def test_o_net_moves_the_edges_of_the_face_it_keeps() -> None:
    def output(images: np.ndarray) -> RawPredictions:
        raw = likeness(images)
        return RawPredictions(raw.scores, raw.boxes + np.array([0.25, 0, 0, 0.5], np.float32), raw.landmarks)

    plain = detect_cascade(NETS, photograph((70, 50, 48)), SETTINGS).boxes
    (moved,) = detect_cascade((*NETS[:2], output), photograph((70, 50, 48)), SETTINGS).boxes - plain
    side = (plain[0, 2] - plain[0, 0]) / 0.98
    assert moved == pytest.approx([side / 4, 0, 0, side / 2], abs=1e-3)


@pytest.mark.parametrize("shape", [(200, 300, 3), (1, 1, 3), (11, 500, 3), (20, 20, 3)])
def test_nothing_is_found_where_nothing_is(shape: tuple[int, int, int]) -> None:
    found = detect_cascade(NETS, np.zeros(shape, np.uint8), SETTINGS)
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert found.landmarks is not None
    assert found.landmarks.shape == (0, 5, 2)


def test_each_net_stops_what_it_scores_too_low() -> None:
    image = photograph((70, 50, 40))
    strict = CascadeSettings(proposal_threshold=1.01)
    assert len(propose(likeness_everywhere, image[None], strict)[0]) == 0
    proposals = propose(likeness_everywhere, image[None], SETTINGS)[0]
    assert len(proposals) > 0
    assert len(refine(likeness, image, proposals, CascadeSettings(refinement_threshold=1.01))) == 0
    assert len(detect_cascade(NETS, image, CascadeSettings(score_threshold=1.01))) == 0


def test_each_image_has_proposals_of_its_own() -> None:
    images = np.stack([photograph((70, 50, 40)), photograph(), photograph((0, 0, 40), (160, 90, 90))])
    together = propose(likeness_everywhere, images, SETTINGS)
    assert len(together[1]) == 0
    for image, boxes in zip(images, together, strict=True):
        assert np.array_equal(boxes, propose(likeness_everywhere, image[None], SETTINGS)[0])


def test_no_more_than_the_most_candidates_go_on() -> None:
    image = photograph(*((40 * column, 40 * row, 24) for row in range(4) for column in range(6)))
    assert len(propose(likeness_everywhere, image[None], SETTINGS)[0]) >= 24
    assert len(propose(likeness_everywhere, image[None], CascadeSettings(most_candidates=9))[0]) == 9


@given(st.integers(1, 300), st.integers(1, 300), st.floats(12, 80), st.floats(0.3, 0.9))
def test_the_pyramid_begins_with_the_smallest_face_and_ends_with_one_window(
    height: int, width: int, smallest: float, factor: float
) -> None:
    levels = pyramid(np.zeros((height, width, 3), np.uint8), CascadeSettings(smallest, factor))
    assert all(min(level.shape[:2]) >= 12 for level in levels)
    if min(height, width) >= smallest + 1:
        assert levels[0].shape[0] == pytest.approx(height * 12 / smallest, abs=0.51)
        assert min(levels[-1].shape[:2]) * factor < 13
    for large, small in pairwise(levels):
        assert small.shape[1] == pytest.approx(large.shape[1] * factor, abs=1.01)


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 15), (40, 31)])
def test_windows_lie_in_steps_of_two_row_by_row(height: int, width: int) -> None:
    expected = [
        (left, top, left + 12, top + 12) for top in range(0, height - 11, 2) for left in range(0, width - 11, 2)
    ]
    assert windows_of(np.zeros((height, width, 3), np.uint8)).tolist() == [list(window) for window in expected]


@given(
    st.lists(st.tuples(st.integers(-60, 90), st.integers(-60, 90), st.integers(1, 70)), max_size=6),
    st.sampled_from([12, 24, 48]),
)
def test_windows_are_cut_out_as_if_grey_went_on_for_ever(corners: list[tuple[int, int, int]], size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    plane = np.full((250, 270, 3), 127, np.uint8)
    plane[100:150, 100:170] = image
    windows = np.array([(x, y, x + side, y + side) for x, y, side in corners], np.float32).reshape(-1, 4)
    crops = crop_windows(image, windows, size)
    assert crops.shape == (len(corners), size, size, 3)
    for crop, (x, y, side) in zip(crops, corners, strict=True):
        method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        part = plane[100 + y : 100 + y + side, 100 + x : 100 + x + side]
        assert np.array_equal(crop, cv2.resize(part, (size, size), interpolation=method))


@given(st.lists(st.tuples(*[st.floats(-100, 100, width=32)] * 2, *[st.floats(0.5, 90, width=32)] * 2), max_size=5))
def test_squares_hold_their_boxes_around_the_same_middle(rows: list[tuple[float, float, float, float]]) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4)
    squares = square(boxes)
    assert squares[:, 2] - squares[:, 0] == pytest.approx(squares[:, 3] - squares[:, 1], abs=1e-3)
    assert (squares[:, :2] <= boxes[:, :2] + 1e-3).all()
    assert (squares[:, 2:] >= boxes[:, 2:] - 1e-3).all()
    assert squares[:, :2] + squares[:, 2:] == pytest.approx(boxes[:, :2] + boxes[:, 2:], abs=1e-3)


def test_edges_move_by_sides_of_the_window() -> None:
    window = np.array([[10, 20, 30, 40]], np.float32)
    assert move_edges(window, np.array([[0.1, -0.2, 0, 0.5]], np.float32)).tolist() == [[12, 16, 30, 50]]
