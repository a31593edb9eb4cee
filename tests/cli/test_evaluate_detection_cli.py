"""`facejobs evaluate detection` from the command line, with good input and with bad."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.submission import write_submission
from facejobs.errors import ExitCode

LABELS = "# a/one.jpg\n10 10 40 40\n# a/two.jpg\n60 20 30 30\n# a/none.jpg\n"


Evaluate = Callable[..., Any]


@pytest.fixture
def evaluate(facejobs: Callable[..., Any]) -> Evaluate:
    """Runs `facejobs evaluate detection` with the given arguments, through the whole command line."""
    return partial(facejobs, "evaluate", "detection")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    folder = tmp_path / "val"
    (folder / "images" / "a").mkdir(parents=True)
    (folder / "label.txt").write_text(LABELS)
    for name in ("one", "two", "none"):
        cv2.imwrite(str(folder / "images" / "a" / f"{name}.jpg"), np.full((80, 120, 3), 128, np.uint8))
    return folder


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """One of the two faces is found, and there is one false alarm of a lower score."""
    folder = tmp_path / "predictions" / "a"
    folder.mkdir(parents=True)
    (folder / "one.txt").write_text("one.jpg\n1\n10 10 40 40 0.9\n")
    (folder / "two.txt").write_text("two.jpg\n1\n0 0 10 10 0.5\n")
    (folder / "none.txt").write_text("none.jpg\n0\n")
    return folder.parent


def test_predictions_are_measured(evaluate: Evaluate, split: Path, predictions: Path) -> None:
    done = evaluate(split, "--predictions", predictions)
    assert (done.returncode, done.stderr) == (0, "")
    assert "val: 3 photographs, 2 detections, test scale unstated" in done.stdout
    assert "faces from 20 px        2  0.5000" in done.stdout
    assert "best F1 0.6667 at score 0.9, precision 1.0000, recall 0.5000" in done.stdout


def test_json_and_the_folder_of_results_agree(
    evaluate: Evaluate, split: Path, predictions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--predictions", predictions, "--scale", "short-640", "--out", out, "--draw", 3, "--json")
    done = evaluate(split, *options)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results == json.loads((out / "results.json").read_text())
    assert results["model"] == {"predictions": str(predictions)}
    assert results["detection"]["metrics"][0]["name"] == "ap_20px_short-640"
    assert results["detection"]["metrics"][0]["value"] == 0.5
    assert (out / "precision-recall.png").is_file()
    assert [path.name for path in (out / "misses").iterdir()] == ["1-a_two.jpg"]


def test_a_detector_is_measured_and_its_detections_are_kept(evaluate: Evaluate, split: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = evaluate("haar", split, "--save-predictions", kept, "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert first["model"] == {"detector": "haar"}
    assert (kept / "a" / "none.txt").read_text() == "none.jpg\n0\n"
    again = json.loads(evaluate(split, "--predictions", kept, "--scale", "original", "--json").stdout)
    assert again["detection"] == first["detection"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["SPLIT"], ExitCode.USAGE, "give a model and a split"),
        (["haar", "SPLIT", "SPLIT"], ExitCode.USAGE, "unexpected extra argument"),
        (["haar", "SPLIT", "--predictions", "PREDICTIONS"], ExitCode.USAGE, "give a split alone"),
        (["SPLIT", "--predictions", "PREDICTIONS", "--draw", "2"], ExitCode.USAGE, "--out"),
        (["haar", "SPLIT", "--out", "new", "--save-predictions", "new/detections"], ExitCode.USAGE, "beside that of"),
        (["haar", "SPLIT", "--scale", "huge"], ExitCode.USAGE, "no test scale 'huge'"),
        (["nowhere", "SPLIT"], ExitCode.BAD_MODEL, "nowhere does not exist"),
        (["haar", "nowhere"], ExitCode.BAD_DATA, "nowhere"),
        (["SPLIT", "--predictions", "nowhere"], ExitCode.BAD_DATA, "nowhere is not a folder"),
        (["SPLIT", "--predictions", "SPLIT"], ExitCode.BAD_DATA, "3 of the 3 photographs have no file of detections"),
        (["SPLIT", "--predictions", "PREDICTIONS", "--out", "SPLIT"], ExitCode.OUTPUT_REFUSED, "exists already"),
    ],
)
def test_wrong_requests(
    evaluate: Evaluate, split: Path, predictions: Path, arguments: list[str], code: ExitCode, message: str
) -> None:
    named = {"SPLIT": split, "PREDICTIONS": predictions}
    done = evaluate(*(named.get(argument, argument) for argument in arguments))
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_data_leave_nothing_behind(evaluate: Evaluate, split: Path, predictions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (split / "wider_easy_val.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    done = evaluate(split, "--predictions", predictions, "--out", out)
    assert (done.returncode, "wider_easy_val.mat is damaged" in done.stderr) == (ExitCode.BAD_DATA, True)
    (split / "wider_easy_val.mat").unlink()
    (split / "images" / "a" / "two.jpg").write_bytes(b"\xff\xd8 no more")
    done = evaluate("haar", split, "--out", out)
    assert (done.returncode, "two.jpg" in done.stderr) == (ExitCode.BAD_DATA, True)
    done = evaluate(split, "--predictions", predictions, "--out", out, "--draw", 1)
    assert (done.returncode, "two.jpg" in done.stderr) == (ExitCode.BAD_DATA, True)
    assert not out.exists()
    (split / "label.txt").write_text("")
    done = evaluate(split, "--predictions", predictions)
    assert (done.returncode, "label.txt: empty" in done.stderr) == (ExitCode.BAD_DATA, True)


@pytest.mark.shared_data
def test_the_labels_themselves_reach_one_on_wider_face(evaluate: Evaluate, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "detection_train_data" / "test"
    images = DetectionSplit.open(folder).images
    # Degenerate boxes can be found by WIDER FACE's rule, and would be false alarms by the other.
    whole = [(image.boxes[:, 2:] > image.boxes[:, :2]).all(axis=1) for image in images]
    found = [
        Detections(image.boxes[kept], np.full(kept.sum(), 0.5, np.float32), None)
        for image, kept in zip(images, whole, strict=True)
    ]
    write_submission(tmp_path / "labels", images, found)
    done = evaluate(folder, "--predictions", tmp_path / "labels", "--json")
    assert done.returncode == 0, done.stderr
    measured = {row["name"]: row for row in json.loads(done.stdout)["detection"]["average_precision"]}
    assert {name: measured[name]["faces"] for name in ("20px", "easy", "medium", "hard")} == {
        "20px": 1139,
        "easy": 437,
        "medium": 796,
        "hard": 1786,
    }
    assert all(row["value"] == pytest.approx(1, abs=1e-9) for row in measured.values())
