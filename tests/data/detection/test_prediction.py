"""Anchors that score become faces, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import encode_boxes, encode_landmarks
from facejobs.data.detection.prediction import (
    DecodingSettings,
    RawPredictions,
    decode_predictions,
    detect_once,
)

LAYOUT = AnchorLayout()
SIZE = (64, 96)
ANCHORS = LAYOUT.count(*SIZE)


def silence(landmarks: bool = True) -> RawPredictions:
    points = np.zeros((2, ANCHORS, 10), np.float32) if landmarks else None
    return RawPredictions(np.zeros((2, ANCHORS), np.float32), np.zeros((2, ANCHORS, 4), np.float32), points)


def plant(raw: RawPredictions, index: int, anchor: int, score: float, box: list[float], points: np.ndarray) -> None:
    """Have the net say at one anchor that there is this face."""
    centre = LAYOUT.boxes(*SIZE)[anchor]
    raw.scores[index, anchor] = score
    raw.boxes[index, anchor] = encode_boxes(np.array(box, np.float32), centre, LAYOUT.variances)
    if raw.landmarks is not None:
        raw.landmarks[index, anchor] = encode_landmarks(points.astype(np.float32), centre, LAYOUT.variances)


POINTS = np.array([[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]])


@pytest.mark.parametrize("index", [0, 1])
def test_what_the_net_says_comes_out_of_the_right_image(index: int) -> None:
    raw = silence()
    plant(raw, index, 40, 0.9, [5, 4, 25, 30], POINTS)
    found = decode_predictions(raw, index, LAYOUT, SIZE, DecodingSettings())
    assert found.boxes == pytest.approx(np.array([[5, 4, 25, 30]]), abs=1e-3)
    assert found.scores == pytest.approx([0.9])
    assert found.landmarks == pytest.approx(POINTS[None], abs=1e-3)
    assert len(decode_predictions(raw, 1 - index, LAYOUT, SIZE, DecodingSettings())) == 0


def test_a_net_without_landmarks_gives_none() -> None:
    raw = silence(landmarks=False)
    plant(raw, 0, 40, 0.9, [5, 4, 25, 30], POINTS)
    found = decode_predictions(raw, 0, LAYOUT, SIZE, DecodingSettings())
    assert len(found) == 1
    assert found.landmarks is None


def test_no_face_has_arrays_of_no_rows() -> None:
    found = decode_predictions(silence(), 0, LAYOUT, SIZE, DecodingSettings())
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert found.landmarks is not None
    assert found.landmarks.shape == (0, 5, 2)


def test_the_threshold_itself_is_a_face() -> None:
    raw = silence()
    plant(raw, 0, 3, 0.5, [0, 0, 20, 20], POINTS)
    plant(raw, 0, 100, np.nextafter(np.float32(0.5), np.float32(0)), [50, 30, 70, 50], POINTS)
    assert decode_predictions(raw, 0, LAYOUT, SIZE, DecodingSettings(score_threshold=0.5)).scores.tolist() == [0.5]


def test_of_overlapping_boxes_the_best_stays_and_the_best_come_first() -> None:
    raw = silence()
    plant(raw, 0, 3, 0.5, [0, 0, 20, 20], POINTS)
    plant(raw, 0, 5, 0.8, [1, 0, 21, 20], POINTS)
    plant(raw, 0, 100, 0.9, [50, 30, 70, 50], POINTS)
    found = decode_predictions(raw, 0, LAYOUT, SIZE, DecodingSettings())
    assert found.scores == pytest.approx([0.9, 0.8])
    assert found.boxes[1] == pytest.approx([1, 0, 21, 20], abs=1e-3)


def test_only_the_best_candidates_are_looked_at() -> None:
    raw = silence()
    raw.scores[0] = np.random.default_rng(0).permutation(ANCHORS) / ANCHORS
    everything = decode_predictions(raw, 0, LAYOUT, SIZE, DecodingSettings(nms_iou=1.0))
    best = decode_predictions(raw, 0, LAYOUT, SIZE, DecodingSettings(nms_iou=1.0, most_candidates=7))
    assert best.scores.tolist() == everything.scores[:7].tolist()
    assert np.array_equal(best.boxes, everything.boxes[:7])


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_net_sees_whole_strides_with_the_photograph_at_the_upper_left(height: int, width: int) -> None:
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    seen = []

    def forward(images: np.ndarray) -> RawPredictions:
        seen.append(images)
        count = LAYOUT.count(*images.shape[1:3])
        return RawPredictions(np.zeros((1, count), np.float32), np.zeros((1, count, 4), np.float32), None)

    assert len(detect_once(forward, image, LAYOUT, DecodingSettings())) == 0
    (images,) = seen
    assert images.dtype == np.uint8
    assert images.shape == (1, -(-height // 32) * 32, -(-width // 32) * 32, 3)
    assert np.array_equal(images[0, :height, :width], image)
    assert (images[0, height:] == 127).all()
    assert (images[0, :, width:] == 127).all()
