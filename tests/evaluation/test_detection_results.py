"""What an evaluation of a detector leaves behind: JSON, curves, and pictures of the worst errors."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.faces import Detections
from facejobs.data.errors import DataError
from facejobs.evaluation.detection import DetectionResult, evaluate_detection
from facejobs.evaluation.detection_errors import DetectionErrors, draw_worst
from facejobs.evaluation.detection_results import PICTURE_NAME, RESAMPLES_NAME, save_results, to_json
from facejobs.evaluation.precision_recall_picture import draw_precision_recall
from facejobs.evaluation.results import RESULTS_NAME

# By photograph: the labelled boxes x y w h, then the detections x1 y1 x2 y2 score.
LARGE, MIDDLE, TINY = (10, 10, 90, 90), (120, 20, 40, 40), (180, 100, 8, 8)
AT_LARGE, AT_MIDDLE, AT_TINY, NOWHERE = (10, 10, 100, 100), (120, 20, 160, 60), (180, 100, 188, 108), (30, 110, 60, 140)
PHOTOGRAPHS = {
    "a/all_found.jpg": ([LARGE, MIDDLE, TINY], [(*AT_LARGE, 0.9), (*AT_MIDDLE, 0.8), (*AT_TINY, 0.7)]),
    "a/weak_false_alarms.jpg": ([LARGE], [(*AT_LARGE, 0.9), *((*NOWHERE, score) for score in (0.6, 0.5, 0.4))]),
    "b/small_miss.jpg": ([LARGE, MIDDLE], [(*AT_LARGE, 0.9)]),
    "b/large_miss.jpg": ([LARGE, MIDDLE], [(*AT_LARGE, 0.01), (*AT_MIDDLE, 0.9)]),
    "b/strong_false_alarm.jpg": ([LARGE], [(*AT_LARGE, 0.9), (*NOWHERE, 0.85)]),
    "c/empty.jpg": ([], []),
}
Evaluated = tuple[DetectionSplit, list[Detections], DetectionResult]


@pytest.fixture
def evaluated(tmp_path: Path) -> Evaluated:
    folder = tmp_path / "test"
    lines = []
    detections = []
    for name, (boxes, rows) in PHOTOGRAPHS.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((150, 200, 3), 128, np.uint8))
        lines += [f"# {name}", *(" ".join(map(str, box)) for box in boxes)]
        table = np.array(rows, np.float32).reshape(-1, 5)
        detections.append(Detections(table[:, :4], table[:, 4], None))
    (folder / "label.txt").write_text("\n".join(lines) + "\n")
    split = DetectionSplit.open(folder)
    result = evaluate_detection(split.images, detections, name="test", fingerprint="f" * 64, scale="original")
    return split, detections, result


def share_of(path: Path, red: bool, green: bool) -> float:
    """How much of a picture is strongly red, green or, as both, yellow."""
    blue, greens, reds = cv2.imread(str(path)).astype(int).transpose(2, 0, 1)
    return float(np.mean(((reds > blue + 90) == red) & ((greens > blue + 90) == green)))


def test_json_holds_every_number(evaluated: Evaluated, tmp_path: Path) -> None:
    _, _, result = evaluated
    out = tmp_path / "out"
    out.mkdir()
    save_results(out, {"detector": "drawn"}, result)
    written = json.loads((out / RESULTS_NAME).read_text())
    assert written == to_json({"detector": "drawn"}, result)
    assert written["model"] == {"detector": "drawn"}
    assert written["detection"]["images"] == 6
    assert written["detection"]["metrics"][0]["name"] == "ap_20px_original"
    headline = written["detection"]["average_precision"][0]
    assert headline["faces"] == 8
    assert headline["best_f1"]["threshold"] == pytest.approx(0.8)
    assert headline["best_f1"]["recall"] == pytest.approx(6 / 8)
    assert written["detection"]["landmarks"] is None
    assert cv2.imread(str(out / PICTURE_NAME)).shape == (600, 840, 3)
    with np.load(out / RESAMPLES_NAME) as resamples:
        assert resamples["names"].tolist() == [measured.name for measured in result.precisions]
        assert resamples["metrics"][0] == "ap_20px_original"
        assert resamples["protocols"].tolist() == [measured.protocol for measured in result.precisions]
        assert resamples["values"].tolist() == [measured.value for measured in result.precisions]
        assert (str(resamples["set"]), int(resamples["photographs"])) == (result.name, 6)
        low, high = np.quantile(resamples["20px"], [0.025, 0.975])
    assert headline["interval"] == pytest.approx([low, high])


def test_without_faces_there_is_no_picture(tmp_path: Path) -> None:
    result = evaluate_detection([], [], name="none", fingerprint="f" * 64, scale="original")
    assert not draw_precision_recall(result, tmp_path / PICTURE_NAME)
    save_results(tmp_path, {}, result)
    assert not (tmp_path / PICTURE_NAME).exists()
    assert json.loads((tmp_path / RESULTS_NAME).read_text())["detection"]["metrics"] == []


def test_errors_are_those_at_the_best_threshold(evaluated: Evaluated) -> None:
    _, _, result = evaluated
    errors = DetectionErrors.of(result)
    assert errors.threshold == pytest.approx(0.8)
    assert result.matched.image_of_face[errors.misses].tolist() == [2, 3]
    assert result.matched.image[errors.false_alarms].tolist() == [4]
    assert errors.hits.sum() == 6


def test_the_worst_photographs_come_first(evaluated: Evaluated, tmp_path: Path) -> None:
    split, detections, result = evaluated
    out = tmp_path / "out"
    out.mkdir()
    assert draw_worst(out, split, detections, result, 5) == 3
    assert sorted(path.name for path in (out / "misses").iterdir()) == ["1-b_large_miss.jpg", "2-b_small_miss.jpg"]
    assert [path.name for path in (out / "false-alarms").iterdir()] == ["1-b_strong_false_alarm.jpg"]
    miss, alarm = out / "misses" / "1-b_large_miss.jpg", out / "false-alarms" / "1-b_strong_false_alarm.jpg"
    assert cv2.imread(str(miss)).shape == (150, 200, 3)
    assert share_of(miss, red=True, green=False) > 0.004 > share_of(alarm, red=True, green=False)
    assert share_of(alarm, red=True, green=True) > 0.002 > share_of(miss, red=True, green=True)
    assert share_of(miss, red=False, green=True) > 0.002


def test_only_so_many_are_drawn(evaluated: Evaluated, tmp_path: Path) -> None:
    split, detections, result = evaluated
    assert draw_worst(tmp_path, split, detections, result, 1) == 2
    assert draw_worst(tmp_path, split, detections, result, 0) == 0
    assert [path.name for path in (tmp_path / "misses").iterdir()] == ["1-b_large_miss.jpg"]


def test_a_photograph_that_is_gone_is_named(evaluated: Evaluated, tmp_path: Path) -> None:
    split, detections, result = evaluated
    (split.folder / "images" / "b" / "large_miss.jpg").unlink()
    with pytest.raises(DataError, match=r"large_miss\.jpg"):
        draw_worst(tmp_path, split, detections, result, 1)
