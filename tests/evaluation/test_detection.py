"""The numbers of one evaluation: which faces count, by size and as WIDER FACE does, landmarks, names, protocols."""

import numpy as np
import pytest

from facejobs.data.detection.faces import Detections, LabelledImage
from facejobs.evaluation.detection import DetectionResult, evaluate_detection
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.wider_face import WiderFaceSubset

POINTS = [[3, 3], [7, 3], [5, 5], [3, 8], [7, 8]]
UNKNOWN = np.full((5, 2), np.nan)


def photograph(*boxes: list[float], ignored: list[int] = [], landmarks: object = None) -> LabelledImage:  # noqa: B006
    table = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.full((len(table), 5, 2), np.nan) if landmarks is None else np.array(landmarks, float)
    flags = np.isin(np.arange(len(table)), ignored)
    return LabelledImage("a/b.jpg", 1, table, points.astype(np.float32), np.zeros(len(table), np.float32), flags)


def found(*rows: list[float], landmarks: object = None) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    points = None if landmarks is None else np.array(landmarks, np.float32)
    return Detections(table[:, :4], table[:, 4], points)


def evaluate(
    images: list[LabelledImage], detections: list[Detections], *subsets: WiderFaceSubset, scale: str = "original"
) -> DetectionResult:
    return evaluate_detection(
        images, detections, name="drawn", fingerprint="f" * 64, scale=scale, subsets=subsets, resamples=20
    )


def value(result: DetectionResult, name: str) -> float | None:
    return next((measured.value for measured in result.precisions if measured.name == name), None)


def faces(result: DetectionResult) -> dict[str, int]:
    return {measured.name: measured.faces for measured in result.precisions}


TINY, SMALL, MIDDLE, LARGE = [0, 0, 15, 19.98], [100, 0, 115, 20], [200, 0, 240, 50], [300, 0, 420, 150]


def test_faces_are_measured_by_their_height() -> None:
    result = evaluate([photograph(TINY, SMALL, MIDDLE, LARGE)], [found([*MIDDLE, 0.9], [*TINY, 0.8])])
    assert faces(result) == {
        "20px": 3,
        "all": 4,
        "under_20px": 1,
        "20_to_50px": 1,
        "50_to_100px": 1,
        "over_100px": 1,
    }
    assert value(result, "20px") == pytest.approx(1 / 3)
    assert value(result, "all") == pytest.approx(2 / 4)
    assert value(result, "50_to_100px") == 1
    assert value(result, "under_20px") == 1
    assert value(result, "over_100px") == 0
    assert result.headline is not None
    assert result.headline.recall == pytest.approx(1 / 3)


def test_heights_are_those_of_the_label_file_although_boxes_hold_corners() -> None:
    """`0 108.51 20 20` is 19.99999 pixels high in float32."""
    image = photograph([0, 108.51, 20, 108.51 + 20])
    assert image.boxes[0, 3] - image.boxes[0, 1] < 20
    assert faces(evaluate([image], [found()]))["20px"] == 1


def test_small_and_ignored_faces_are_neither_missed_nor_false_alarms() -> None:
    images = [photograph(TINY, SMALL, MIDDLE, LARGE, ignored=[2])]
    detections = [found([*TINY, 0.99], [*MIDDLE, 0.98], [*MIDDLE, 0.97], [*SMALL, 0.5], [*LARGE, 0.4])]
    result = evaluate(images, detections)
    assert faces(result)["20px"] == 2
    assert value(result, "20px") == 1


def test_faces_that_wider_face_calls_invalid_are_ignored_wherever_they_stand() -> None:
    images = [photograph(MIDDLE, LARGE)]
    subset = WiderFaceSubset(
        "hard",
        (np.array([LARGE, MIDDLE], float),),
        (np.array([False, True]),),
        (np.array([True, False]),),
    )
    result = evaluate(images, [found([*MIDDLE, 0.9], [*LARGE, 0.5])], subset)
    assert faces(result)["20px"] == 1
    assert value(result, "20px") == 1
    assert value(result, "hard") == 1


def test_subsets_bring_their_own_boxes_and_one_pixel_more() -> None:
    """The labelled box is of 3 pixels in WIDER FACE's files; 9 of 16 pixels overlap by its rule, 4 of 9 by ours."""
    subset = WiderFaceSubset("easy", (np.array([[0.0, 0, 3, 3]]),), (np.array([False]),), (np.array([True]),))
    result = evaluate([photograph([0, 0, 3, 3])], [found([0, 0, 2, 2, 0.9])], subset)
    assert value(result, "easy") == 1
    assert value(result, "all") == 0


def test_names_and_protocols_carry_the_test_scale_and_the_split() -> None:
    subset = WiderFaceSubset("easy", (np.array([LARGE], float),), (np.array([False]),), (np.array([True]),))
    image = photograph(LARGE, landmarks=[POINTS])
    result = evaluate([image], [found([*LARGE, 0.9], landmarks=[POINTS])], subset, scale="short-640")
    metrics = {metric["name"]: metric for metric in result.metrics()}
    assert set(metrics) >= {
        "ap_20px_short-640",
        "ap_easy_short-640",
        "recall_20px_short-640",
        "landmark_error_short-640",
        "landmark_error_nose_short-640",
    }
    assert next(iter(metrics)) == "ap_20px_short-640"
    for metric in metrics.values():
        assert metric["protocol"].endswith(":ffffffffffff:short-640")
    protocols = [metrics[f"ap_{name}_short-640"]["protocol"] for name in ("20px", "all", "easy")]
    assert len(set(protocols)) == 3
    assert metrics["ap_20px_short-640"]["interval"] == [1, 1]


def test_one_protocol_draws_the_same_photographs_for_every_detector() -> None:
    images = [photograph(LARGE) for _ in range(12)]
    good = [found([*LARGE, 0.9])] * 12
    worse = [*good[:6], *[found()] * 6]
    first, other = evaluate(images, good), evaluate(images, worse)
    assert first.headline is not None
    assert other.headline is not None
    assert (other.headline.resampled <= first.headline.resampled).all()
    assert np.array_equal(evaluate(images, worse).headline.resampled, other.headline.resampled)  # type: ignore[union-attr]


def test_no_detections_at_all() -> None:
    result = evaluate([photograph(LARGE), photograph()], [found(), found()])
    assert value(result, "20px") == 0
    assert result.headline is not None
    assert (result.headline.recall, result.headline.interval) == (0, (0, 0))
    assert result.landmarks is None


def test_no_faces_at_all() -> None:
    for images in ([], [photograph()], [photograph(LARGE, ignored=[0])]):
        result = evaluate(images, [found([*LARGE, 0.9], landmarks=[POINTS]) for _ in images])
        assert result.precisions == ()
        assert result.metrics() == []
        assert result.headline is None


def test_landmark_error_is_a_share_of_the_size_of_the_box() -> None:
    """Box of 40 x 90: size 60. One point is 3 and 4 pixels off, one 12; the others are right."""
    box = [0, 0, 40, 90]
    off = np.array(POINTS, float)
    off[0] += (3, 4)
    off[4] += (0, 12)
    result = evaluate([photograph(box, landmarks=[POINTS])], [found([*box, 0.9], landmarks=[off])])
    assert result.landmarks is not None
    assert result.landmarks.faces == 1
    assert result.landmarks.per_landmark == pytest.approx((5 / 60, 0, 0, 0, 12 / 60))
    assert result.landmarks.mean == pytest.approx(17 / 60 / 5)


def test_landmark_error_is_of_the_best_detection_of_faces_with_known_landmarks() -> None:
    partly = np.array(POINTS, float)
    partly[2:] = np.nan
    boxes = [[0, 0, 40, 40], [100, 0, 140, 40], [200, 0, 240, 40], [300, 0, 310, 10]]
    image = photograph(*boxes, landmarks=[partly, UNKNOWN, POINTS, POINTS])
    right = np.array(POINTS)
    wrong = right + np.array([4, 0])
    rows = [[*boxes[0], 0.5], [*boxes[0], 0.9], [*boxes[1], 0.9], [*boxes[3], 0.9]]
    result = evaluate([image], [found(*rows, landmarks=[right, wrong, right, wrong * 9])])
    assert result.landmarks is not None
    assert result.landmarks.faces == 1
    assert result.landmarks.mean == pytest.approx(4 / 40)
    assert result.landmarks.per_landmark[:2] == pytest.approx((4 / 40, 4 / 40))
    assert np.isnan(result.landmarks.per_landmark[2:]).all()
    names = [metric["name"] for metric in result.metrics()]
    assert "landmark_error_nose_original" not in names
    assert "landmark_error_left_eye_original" in names


def test_a_detector_without_landmarks_has_no_landmark_error() -> None:
    image = photograph(LARGE, landmarks=[POINTS])
    assert evaluate([image], [found([*LARGE, 0.9])]).landmarks is None


@pytest.mark.parametrize("row", [[np.nan, 0, 1, 1, 0.5], [0, 0, 1, 1, np.inf]])
def test_detections_that_are_not_finite_are_refused(row: list[float]) -> None:
    with pytest.raises(EvaluationError, match=r"a detection in a/b\.jpg is not finite"):
        evaluate([photograph(LARGE)], [found(row)])
