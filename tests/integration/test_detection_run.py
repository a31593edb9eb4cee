"""Detection training as a user starts it: killed, it goes on bit for bit; what it publishes detects."""

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from facejobs.data.detection.photographs import read_photograph
from facejobs.data.synthetic.detection_set import PhotographCounts, write_synthetic_detection
from facejobs.inference.detector import OnnxDetector, open_detector
from facejobs.training.checkpoints import CheckpointStore

STEPS = 6
QUICK = ["--batch-size", "2", "--image-sizes", "64", "--max-steps", STEPS, "--checkpoint-every", "2"]
QUICK += ["--warmup-steps", "2", "--optimizer", "adam", "--eval-every", "4"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photographs in three splits."""
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    write_synthetic_detection(folder, PhotographCounts(train=6, val=2, test=2), seed=3, processes=1)
    return folder / "detection_train_data"


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, photographs, facejobs_command) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    process = facejobs_command("train", "detection", photographs, run, *QUICK)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return run


def wait_for_checkpoint(process: subprocess.Popen, run: Path, step: int) -> None:
    deadline = time.monotonic() + 200
    while not any(found >= step for found in CheckpointStore(run / "checkpoints").steps()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def final_arrays(run: Path) -> dict[str, np.ndarray]:
    checkpoint, warnings = CheckpointStore(run / "checkpoints").load_last()
    assert checkpoint is not None and warnings == []
    assert checkpoint.state["step"] == STEPS
    return checkpoint.arrays


def test_killed_and_resumed_is_bit_identical(whole_run, photographs, facejobs_command, tmp_path) -> None:
    run = tmp_path / "run"
    process = facejobs_command("train", "detection", photographs, run, *QUICK)
    wait_for_checkpoint(process, run, 2)
    process.kill()
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    assert not (run / "model").exists()
    process = facejobs_command("train", "detection", photographs, run, *QUICK)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0 and "resuming at step" in output, output
    left, right = final_arrays(whole_run), final_arrays(run)
    assert left.keys() == right.keys()
    assert [name for name in left if left[name].tobytes() != right[name].tobytes()] == []
    described = [json.loads((folder / "model" / "model.json").read_text()) for folder in (whole_run, run)]
    assert described[0]["metrics"] == described[1]["metrics"]


def test_what_is_published_detects(whole_run, photographs) -> None:
    detector = open_detector(str(whole_run), score_threshold=0.0)
    assert isinstance(detector, OnnxDetector)
    path = next((photographs / "test" / "images").rglob("*.jpg"))
    found = detector.detect(read_photograph(path))
    assert found.landmarks is not None and len(found) > 0 and np.isfinite(found.boxes).all()
    assert {"model.onnx", "weights.npz"} <= set(detector.description.files)
    names = [metric.name for metric in detector.description.metrics]
    assert names[0] == "val_ap_20px_original" and "test_ap_20px_original" in names
