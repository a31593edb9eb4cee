"""Boxes and landmarks relative to anchors."""

import numpy as np
from face_boxes import box_tables
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import decode_boxes, decode_landmarks, encode_boxes, encode_landmarks

ANCHORS = AnchorLayout().boxes(128, 128)
VARIANCES = (0.1, 0.2)
seeds = st.integers(0, 2**32 - 1)


def some_anchors(seed: int, count: int) -> np.ndarray:
    return ANCHORS[np.random.default_rng(seed).integers(0, len(ANCHORS), count)]


@given(box_tables(20, smallest=1), seeds, st.sampled_from([(0.1, 0.2), (1.0, 1.0)]))
def test_decoding_gives_back_what_was_encoded(boxes: np.ndarray, seed: int, variances: tuple[float, float]) -> None:
    anchors = some_anchors(seed, len(boxes))
    deltas = encode_boxes(boxes, anchors, variances)
    assert deltas.dtype == np.float32 and deltas.shape == boxes.shape
    np.testing.assert_allclose(decode_boxes(deltas, anchors, variances), boxes, atol=2e-3)


@given(st.integers(0, 20), seeds)
def test_decoding_gives_back_encoded_landmarks(count: int, seed: int) -> None:
    landmarks = np.random.default_rng(seed).uniform(-50, 700, (count, 5, 2)).astype(np.float32)
    anchors = some_anchors(seed, count)
    deltas = encode_landmarks(landmarks, anchors, VARIANCES)
    assert deltas.shape == (count, 10) and deltas.dtype == np.float32
    decoded = decode_landmarks(deltas, anchors, VARIANCES)
    assert decoded.shape == (count, 5, 2)
    np.testing.assert_allclose(decoded, landmarks, atol=1e-3)


def test_the_numbers_are_those_of_the_definition() -> None:
    anchor = np.array([[100, 60, 32, 16]], np.float32)
    box = np.array([[90, 40, 122, 88]], np.float32)  # centre (106, 64), 32 x 48
    expected = [6 / 32 / 0.1, 4 / 16 / 0.1, 0, np.log(3) / 0.2]
    np.testing.assert_allclose(encode_boxes(box, anchor, VARIANCES), [expected], rtol=1e-6)
    points = np.array([[[100, 60], [132, 60], [100, 76], [68, 44], [116, 64]]], np.float32)
    expected = [0, 0, 10, 0, 0, 10, -10, -10, 5, 2.5]
    np.testing.assert_allclose(encode_landmarks(points, anchor, VARIANCES), [expected], rtol=1e-6)


def test_an_anchor_is_what_zeros_mean() -> None:
    boxes = decode_boxes(np.zeros((len(ANCHORS), 4), np.float32), ANCHORS, VARIANCES)
    np.testing.assert_array_equal((boxes[:, :2] + boxes[:, 2:]) / 2, ANCHORS[:, :2])
    np.testing.assert_array_equal(boxes[:, 2:] - boxes[:, :2], ANCHORS[:, 2:])


def test_absurd_predictions_stay_finite() -> None:
    wild = np.array([[1e4, -1e4, 3e5, 3e5], [0, 0, -3e5, -3e5]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(decode_boxes(wild, ANCHORS[:2], VARIANCES)).all()


def test_batches_of_images_decode_as_single_images_do() -> None:
    deltas = np.random.default_rng(0).normal(0, 3, (3, len(ANCHORS), 14)).astype(np.float32)
    together = decode_boxes(deltas[..., :4], ANCHORS, VARIANCES)
    points = decode_landmarks(deltas[..., 4:], ANCHORS, VARIANCES)
    for number in range(3):
        np.testing.assert_array_equal(together[number], decode_boxes(deltas[number, :, :4], ANCHORS, VARIANCES))
        np.testing.assert_array_equal(points[number], decode_landmarks(deltas[number, :, 4:], ANCHORS, VARIANCES))
