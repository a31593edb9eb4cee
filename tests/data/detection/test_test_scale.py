"""Photographs are shown at the sizes that a scale's name says, and faces come back in their own pixels."""

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.faces import Detections
from facejobs.data.detection.test_scale import MOST_PIXELS, ORIGINAL, FixedSize, TestScale, detect_scaled
from facejobs.data.errors import RequestError
from facejobs.errors import ExitCode

NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


@pytest.mark.parametrize(
    ("name", "size", "shown"),
    [
        ("original", (480, 640), [(480, 640)]),
        ("original", (1, 1), [(1, 1)]),
        ("short-640", (480, 640), [(640, 853)]),
        ("short-640", (640, 480), [(853, 640)]),
        ("short-1600", (600, 1024), [(1260, 2150)]),
        ("short-320", (1000, 1000), [(320, 320)]),
        ("multi", (1000, 1000), [(side, side) for side in (500, 800, 1100, 1400, 1700)]),
        ("short-100", (1, 1000), [(1, 134)]),
    ],
)
def test_sizes(name: str, size: tuple[int, int], shown: list[tuple[int, int]]) -> None:
    assert TestScale.parse(name).sizes(*size) == shown


@given(
    st.sampled_from(["original", "multi", "short-1", "short-640", "short-4096"]),
    st.integers(1, 40_000),
    st.integers(1, 40_000),
)
def test_no_photograph_is_shown_too_large_or_with_no_pixels(name: str, height: int, width: int) -> None:
    for shown in TestScale.parse(name).sizes(height, width):
        assert min(shown) >= 1
        # Rounding may add half a pixel to each side.
        assert shown[0] * shown[1] <= MOST_PIXELS + max(shown)


@pytest.mark.parametrize("name", ["", "Original", "short", "short-", "short-0", "short-+5", "short-12.5", "short-4097"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match=re.escape(f"no test scale {name!r}")) as caught:
        TestScale.parse(name)
    assert caught.value.exit_code == ExitCode.USAGE


def blobs(image: np.ndarray) -> Detections:
    """Finds bright rectangles on black; landmarks are the corners and the middle of each, the upper left one first."""
    _, _, found, _ = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
    boxes = found[1:, :4].astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    x1, y1, x2, y2 = boxes.T
    points = np.stack([x1, y1, x2, y1, (x1 + x2) / 2, (y1 + y2) / 2, x1, y2, x2, y2], 1).reshape(-1, 5, 2)
    return Detections(boxes, image[y1.astype(int), x1.astype(int), 0].astype(np.float32) / 255, points)


@pytest.mark.parametrize("name", ["original", "short-150", "short-900", "multi"])
def test_faces_come_back_in_pixels_of_the_photograph(name: str) -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[60:120, 80:140] = 250
    image[200:290, 300:390] = 200
    scale = TestScale.parse(name)
    found = detect_scaled(blobs, image, scale, 0.4)
    assert len(found) == 2
    expected = np.array([[80, 60, 140, 120], [300, 200, 390, 290]])
    assert found.boxes == pytest.approx(expected, abs=1.5)
    assert np.diff(found.scores).max() <= 0
    assert found.landmarks is not None
    # A mirrored face has its left eye at the right: what comes back is sorted anew.
    assert found.landmarks[:, 0] == pytest.approx(expected[:, :2], abs=1.5)
    assert found.landmarks[:, 4] == pytest.approx(expected[:, 2:], abs=1.5)


def test_what_only_the_mirrored_photograph_shows_is_found() -> None:
    image = np.zeros((500, 500, 3), np.uint8)
    image[100:200, 50:150] = 250

    def only_at_the_right(shown: np.ndarray) -> Detections:
        found = blobs(shown)
        right = found.boxes[:, 0] > shown.shape[1] / 2
        return Detections(found.boxes[right], found.scores[right], found.landmarks[right])

    (box,) = detect_scaled(only_at_the_right, image, TestScale.parse("multi"), 0.4).boxes
    assert box == pytest.approx([50, 100, 150, 200], abs=1.5)
    assert len(detect_scaled(only_at_the_right, image, ORIGINAL, 0.4)) == 0


def test_boxes_are_cut_to_the_photograph_and_those_outside_are_dropped() -> None:
    boxes = np.array([[-10, -5, 20, 20], [90, 40, 130, 70], [101, 10, 120, 20], [10, 51, 20, 60]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.zeros((4, 5, 2), np.float32))
    cut = detect_scaled(lambda _: found, np.zeros((50, 100, 3), np.uint8), ORIGINAL, 0.4)
    assert cut.boxes.tolist() == [[0, 0, 20, 20], [90, 40, 100, 50]]
    assert cut.scores == pytest.approx([0.9, 0.8])
    assert cut.landmarks is not None
    assert len(cut.landmarks) == 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3000, 3), (2000, 1, 3)])
def test_the_narrowest_photographs_are_shown(shape: tuple[int, int, int]) -> None:
    shown = []

    def look(image: np.ndarray) -> Detections:
        shown.append(image.shape)
        return NOTHING

    assert len(detect_scaled(look, np.zeros(shape, np.uint8), TestScale.parse("multi"), 0.4)) == 0
    assert len(shown) == 10


def test_a_detector_without_landmarks_gives_none_at_any_scale() -> None:
    found = Detections(np.array([[1, 1, 9, 9]], np.float32), np.ones(1, np.float32), None)
    joined = detect_scaled(lambda _: found, np.zeros((500, 500, 3), np.uint8), TestScale.parse("multi"), 0.4)
    assert joined.landmarks is None
    assert len(joined) > 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 700), st.integers(1, 700))
def test_a_fixed_size_is_filled_and_never_exceeded(height: int, width: int, most_height: int, most_width: int) -> None:
    ((shown_height, shown_width),) = FixedSize(most_height, most_width).sizes(height, width)
    assert 1 <= shown_height <= most_height
    assert 1 <= shown_width <= most_width
    assert shown_height == most_height or shown_width == most_width
    if min(shown_height, shown_width) > 1:
        assert shown_height / height == pytest.approx(shown_width / width, abs=max(1 / height, 1 / width))
