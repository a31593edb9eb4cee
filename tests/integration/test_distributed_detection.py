"""Two workers that train a detector together: weights and running statistics are those of one process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from worker_tasks import WorkerTasks

from facejobs.data.synthetic.detection_set import PhotographCounts, write_synthetic_detection
from facejobs.inference.detector import OnnxDetector, open_detector
from facejobs.training.checkpoints import CheckpointStore

STEPS = 6
OPTIONS = ["--batch-size", "4", "--image-sizes", "64,96", "--max-steps", str(STEPS), "--checkpoint-every", "3"]
OPTIONS += ["--warmup-steps", "2", "--lr", "0.01", "--threads", "1", "--eval-every", "3"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photographs."""
    folder = tmp_path_factory.mktemp("joint") / "scenes"
    write_synthetic_detection(folder, PhotographCounts(train=8, val=2, test=1), seed=5, processes=1)
    return folder / "detection_train_data"


@pytest.fixture(scope="module")
def joint_weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What one process computes that goes through both parts of every batch itself."""
    program, output = Path(__file__).with_name("joint_detection.py"), tmp_path_factory.mktemp("one") / "weights.npz"
    command = [sys.executable, str(program), str(data), "2", str(STEPS), str(output), *OPTIONS]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    with np.load(output) as archive:
        return {name: archive[name] for name in archive.files}


def test_two_workers_end_with_the_weights_of_one_process_on_the_joint_batches(data, joint_weights, tmp_path) -> None:
    tasks = WorkerTasks(tmp_path, 2, data, OPTIONS, task="detection")
    try:
        assert tasks.codes() == [0, 0], tasks.logs()
    finally:
        tasks.kill()
    checkpoint, warnings = CheckpointStore(tmp_path / "task-0" / "output" / "checkpoints").load_last()
    assert checkpoint is not None and (checkpoint.state["step"], warnings) == (STEPS, [])
    assert checkpoint.arrays.keys() == joint_weights.keys()
    for name, array in checkpoint.arrays.items():
        np.testing.assert_allclose(array, joint_weights[name], rtol=1e-5, atol=1e-6, err_msg=name)
    variances = [array for name, array in checkpoint.arrays.items() if name.endswith("running_var")]
    assert variances and all((array != 1).any() for array in variances)
    # Measured and published with the averaged statistics, by the first worker alone.
    model = open_detector(str(tmp_path / "store" / "model"))
    assert isinstance(model, OnnxDetector) and model.description.metrics[0].name == "val_ap_20px_original"
    assert list((tmp_path / "task-1" / "output").iterdir()) == []
