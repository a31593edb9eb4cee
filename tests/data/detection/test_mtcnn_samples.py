"""Training windows are what their overlap with the faces says, and their targets lead back to the faces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import encode_boxes, encode_landmarks
from facejobs.data.detection.cascade import move_edges, square
from facejobs.data.detection.detection_batches import DetectionBatch
from facejobs.data.detection.matching import MatchingRule, match
from facejobs.data.detection.mtcnn_samples import (
    BACKGROUND,
    FACE,
    PART,
    PER_PHOTOGRAPH,
    UNUSED,
    Faces,
    draw_windows,
    faces_of,
    join,
    sample,
)
from facejobs.data.detection.overlap import intersection_over_union

LAYOUT = AnchorLayout()
SIDE = 128
BOXES = np.array([[10, 12, 50, 60], [70, 64, 94, 96]], np.float32)
POINTS = np.array([[[20, 25], [40, 25], [30, 35], [22, 48], [38, 48]], [[np.nan, np.nan]] * 5], np.float32)
FACES = Faces(BOXES, POINTS)


def batch_of(faces: Faces) -> DetectionBatch:
    """A batch of one image, as the pipeline makes it."""
    count = LAYOUT.count(SIDE, SIDE)
    matching = match(LAYOUT, SIDE, SIDE, faces.boxes, np.zeros(len(faces.boxes), np.bool_), MatchingRule())
    boxes, landmarks = np.zeros((1, count, 4), np.float32), np.zeros((1, count, 10), np.float32)
    mask = np.zeros((1, count), np.float32)
    anchors = LAYOUT.boxes(SIDE, SIDE)
    for anchor in np.flatnonzero(matching.faces >= 0):
        face = matching.faces[anchor]
        boxes[0, anchor] = encode_boxes(faces.boxes[face], anchors[anchor], LAYOUT.variances)
        if not np.isnan(faces.landmarks[face]).any():
            landmarks[0, anchor] = encode_landmarks(faces.landmarks[face], anchors[anchor], LAYOUT.variances)
            mask[0, anchor] = 1
    image = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    ones, zeros = np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32)
    return DetectionBatch(0, 0, image, matching.labels[None], boxes, landmarks, mask, ones, zeros, ["a.jpg"])


def test_faces_are_read_back_from_what_anchors_are_to_find() -> None:
    tiny = np.array([[100, 10, 108, 18]], np.float32)
    faces = Faces(np.concatenate([BOXES, tiny]), np.concatenate([POINTS, np.full((1, 5, 2), np.nan, np.float32)]))
    found = faces_of(batch_of(faces), 0, LAYOUT)
    order = found.boxes[:, 0].argsort()
    assert found.boxes[order] == pytest.approx(BOXES, abs=1e-2)
    assert found.landmarks[order[0]] == pytest.approx(POINTS[0], abs=1e-2)
    assert np.isnan(found.landmarks[order[1]]).all()


def test_an_image_without_faces_has_none() -> None:
    none = Faces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32))
    assert faces_of(batch_of(none), 0, LAYOUT).boxes.shape == (0, 4)
    random = np.random.default_rng(0)
    samples = sample(np.zeros((SIDE, SIDE, 3), np.uint8), none, draw_windows(SIDE, none, random), 12, random)
    assert set(samples.kinds.tolist()) == {BACKGROUND, UNUSED}
    assert not samples.boxes.any()


@given(st.integers(0, 1000), st.sampled_from([12, 24, 48]))
def test_kinds_and_targets_follow_from_the_windows(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    windows = draw_windows(SIDE, FACES, random)
    # Pixels that tell where they are, so that a window is known by what it shows.
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    samples = sample(image, FACES, windows, size, np.random.default_rng(seed))
    assert samples.images.shape == (PER_PHOTOGRAPH, size, size, 3)
    overlaps = intersection_over_union(square(windows), BOXES).max(axis=1)
    for kind, limit, fits in (
        (FACE, 10, overlaps >= 0.65),
        (PART, 6, (overlaps >= 0.4) & (overlaps < 0.65)),
        (BACKGROUND, 16, overlaps < 0.3),
    ):
        assert (samples.kinds == kind).sum() == min(limit, fits.sum())
    assert (samples.kinds == FACE).any()
    assert not samples.boxes[samples.kinds < FACE].any()
    assert (samples.kinds[samples.landmarks_known] == FACE).all()
    assert not samples.landmarks[~samples.landmarks_known].any()


def test_targets_lead_back_to_the_face() -> None:
    window = np.array([[8, 14, 54, 60]], np.float32)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    samples = sample(image, FACES, window, 24, np.random.default_rng(0))
    assert samples.kinds.tolist() == [FACE] + [UNUSED] * (PER_PHOTOGRAPH - 1)
    assert move_edges(window, samples.boxes[:1]) == pytest.approx(BOXES[:1], abs=1e-3)
    assert samples.landmarks[0].reshape(5, 2) * 46 + window[0, :2] == pytest.approx(POINTS[0], abs=1e-3)
    assert samples.landmarks_known.tolist() == [True] + [False] * (PER_PHOTOGRAPH - 1)


def test_the_same_random_numbers_give_the_same_samples() -> None:
    def draw() -> np.ndarray:
        random = np.random.default_rng(7)
        image = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        samples = sample(image, FACES, draw_windows(SIDE, FACES, random), 12, random)
        assert len(join([samples, samples]).kinds) == 2 * PER_PHOTOGRAPH
        return samples.images

    assert np.array_equal(draw(), draw())
