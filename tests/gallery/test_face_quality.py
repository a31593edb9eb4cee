"""Quality of faces: good ones pass, and blurred, shrunken, turned and doubtful ones are refused with the number."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.alignment import TEMPLATE
from facejobs.data.decode import decode
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.synthetic.identity import draw_identity
from facejobs.data.synthetic.render import Sitter
from facejobs.data.synthetic.view import Pose, draw_view
from facejobs.gallery.blur import blur_effect
from facejobs.gallery.face_quality import QualityLimits, measure_quality
from facejobs.gallery.head_pose import estimate_pose
from facejobs.inference.face_pipeline import DescribedFace

LIMITS = QualityLimits()


@pytest.fixture(scope="module")
def sitters() -> list[tuple[int, Sitter]]:
    return [(number, Sitter(draw_identity(3, number))) for number in range(6)]


def seen(sitters: list[tuple[int, Sitter]], yaw: float, roll: float = 0.0) -> list[np.ndarray]:
    """Where the landmarks of drawn heads are, turned by `yaw` and inclined by `roll` degrees."""
    pose = Pose(math.radians(yaw), 0.0, math.radians(roll))
    views = [(sitter, replace(draw_view(3, number, 0), pose=pose)) for number, sitter in sitters]
    return [100 * sitter.landmarks(view)[:, :2].astype(np.float32) for sitter, view in views]


@pytest.mark.parametrize("yaw", [-60, -30, 0, 30, 60])
@pytest.mark.parametrize("roll", [0, 25])
def test_yaw_of_drawn_heads_is_found_to_ten_degrees(sitters: list[tuple[int, Sitter]], yaw: float, roll: float) -> None:
    found = [estimate_pose(points).yaw for points in seen(sitters, yaw, roll)]
    assert np.mean(found) == pytest.approx(yaw, abs=6)
    assert all(abs(angle - yaw) < 14 for angle in found)


@given(scale=st.floats(0.1, 30), turn=st.floats(-3, 3), x=st.floats(-500, 500), yaw=st.floats(-1, 1))
def test_pose_does_not_depend_on_where_and_how_large_a_head_is(scale: float, turn: float, x: float, yaw: float) -> None:
    depth = 0.43 * np.linalg.norm(TEMPLATE[1] - TEMPLATE[0]) * np.array([0, 0, 1, 0, 0])
    points = TEMPLATE - TEMPLATE.mean(axis=0)
    points[:, 0] = math.cos(yaw) * points[:, 0] + math.sin(yaw) * depth
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    pose = estimate_pose(scale * points @ rotation + x)
    assert pose.yaw == pytest.approx(math.degrees(yaw), abs=0.5)
    assert pose.pitch == pytest.approx(0, abs=0.5)


def test_a_template_looks_straight_ahead_and_a_lowered_nose_down() -> None:
    assert estimate_pose(TEMPLATE) == pytest.approx((0, 0), abs=1.5)
    lowered = TEMPLATE.copy()
    lowered[2, 1] += 10
    raised = TEMPLATE.copy()
    raised[2, 1] -= 10
    assert estimate_pose(lowered).pitch > 15 and estimate_pose(raised).pitch < -15


def face(landmarks: np.ndarray = TEMPLATE, score: float = 0.99, aligned: np.ndarray | None = None) -> DescribedFace:
    if aligned is None:
        aligned = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    return DescribedFace(
        np.array([0, 0, 112, 112], np.float32), score, landmarks.astype(np.float32), np.ones(1, np.float32), aligned
    )


def test_each_reason_has_its_number_and_its_limit(sitters: list[tuple[int, Sitter]]) -> None:
    assert measure_quality(face()).refusal(LIMITS) is None
    small = measure_quality(face(TEMPLATE * 0.4)).refusal(LIMITS)
    assert small == "too small: 14.0 pixels between the eyes, least 16"
    blurred = measure_quality(face(aligned=np.full((112, 112, 3), 90, np.uint8))).refusal(LIMITS)
    assert blurred == "blurred: blur 1.0, most 0.65"
    doubtful = measure_quality(face(score=0.41)).refusal(LIMITS)
    assert doubtful == "the detector is unsure: score 0.41, least 0.5"
    for yaw, side in ((70, "right"), (-70, "left")):
        turned = measure_quality(face(seen(sitters, yaw)[0])).refusal(LIMITS)
        assert turned is not None and f"turned to the {side} by about" in turned and "most 50" in turned
    near_miss = replace(measure_quality(face()), eye_distance=15.96, blur=0.6501, score=0.4999)
    assert near_miss.refusal(LIMITS) == (
        "too small: 15.9 pixels between the eyes, least 16; blurred: blur 0.66, most 0.65; "
        "the detector is unsure: score 0.49, least 0.5"
    )
    both = measure_quality(face(TEMPLATE * 0.4, score=0.1)).refusal(LIMITS)
    assert both is not None and both.count(";") == 1


def test_quality_is_the_worst_of_its_parts() -> None:
    good = measure_quality(face()).value
    assert measure_quality(face(TEMPLATE * 0.5)).value == pytest.approx(0.5, abs=0.02)
    assert 0.6 < good <= 1
    assert measure_quality(face(score=0.2)).value == pytest.approx(0.2)
    assert measure_quality(face(aligned=np.zeros((112, 112, 3), np.uint8))).value == 0


@given(gain=st.floats(0.3, 1.0), offset=st.integers(0, 30))
def test_blur_does_not_depend_on_light(gain: float, offset: int) -> None:
    pixels = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 200, (112, 112, 3)).astype(np.uint8), (0, 0), 1)
    changed = (pixels * gain + offset).astype(np.uint8)
    assert blur_effect(changed) == pytest.approx(blur_effect(pixels), abs=0.02)


def test_good_photographs_pass_and_degraded_ones_do_not(shared_data: Path) -> None:
    records = FaceRecordFile.open(shared_data / "recognition_val_data")
    crops = [decode(bytes(records.image(number).image)) for number in range(0, len(records), 6)]

    def share_refused(degrade) -> float:
        return float(np.mean([blur_effect(degrade(crop)) > LIMITS.most_blur for crop in crops]))

    assert share_refused(lambda crop: crop) < 0.005
    assert share_refused(lambda crop: (crop * 0.2).astype(np.uint8)) < 0.005
    assert share_refused(lambda crop: cv2.GaussianBlur(crop, (0, 0), 2.5)) > 0.95
    shrink = partial(cv2.resize, dsize=(22, 22), interpolation=cv2.INTER_AREA)
    assert share_refused(lambda crop: cv2.resize(shrink(crop), (112, 112))) > 0.9
