"""Two workers as two nodes start them: their weights are those of one process, they stop, die and hang together."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from slurm_jobs import SlurmVersion
from worker_tasks import WorkerTasks

from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State
from facejobs.training.checkpoints import Checkpoint, CheckpointStore

STEPS = 9
OPTIONS = ["--batch-size", "8", "--embedding-size", "32", "--max-steps", str(STEPS), "--checkpoint-every", "3"]
OPTIONS += ["--warmup-steps", "2", "--lr", "0.02", "--epochs", "50", "--threads", "1"]

SLOWLY = """
import time
import facejobs.data.pipeline as module
deliver = module.TrainingBatches._deliver
def slowly(self, threads):
    for batch in deliver(self, threads):
        time.sleep(0.5)
        yield batch
module.TrainingBatches._deliver = slowly
"""
SECOND_STALLS = """
import os, time
import facejobs.training.distributed.hang_watch as watch
progressed = watch.HangWatch.progressed
def patient_until_it_runs(self):
    self.steps = getattr(self, "steps", 0) + 1
    self._seconds = 300 if self.steps < 5 else 6
    progressed(self)
watch.HangWatch.progressed = patient_until_it_runs
import facejobs.data.pipeline as module
deliver = module.TrainingBatches._deliver
def read_from_a_dead_disk(self, threads):
    for batch in deliver(self, threads):
        if os.environ["DLS_TASK_INDEX"] == "1" and batch.step == 4:
            time.sleep(1000)
        yield batch
module.TrainingBatches._deliver = read_from_a_dead_disk
"""


@pytest.fixture(scope="module")
def data(drawn_faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces to train on, without a verification set beside them."""
    target = tmp_path_factory.mktemp("joint") / "recognition_train_data"
    return Path(shutil.copytree(drawn_faces / "recognition_train_data", target))


Start = Callable[..., WorkerTasks]


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    """Starts tasks that end with the test."""
    started: list[WorkerTasks] = []

    def start(folder: Path, *more: str, count: int = 2, prelude: str = "") -> WorkerTasks:
        started.append(WorkerTasks(folder, count, data, [*OPTIONS, *more], prelude))
        return started[-1]

    yield start
    for tasks in started:
        tasks.kill()


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkerTasks:
    """A job of two workers that nothing disturbed."""
    tasks = WorkerTasks(tmp_path_factory.mktemp("whole"), 2, data, OPTIONS)
    assert tasks.codes() == [0, 0], tasks.logs()
    return tasks


def last_checkpoint(tasks: WorkerTasks) -> Checkpoint:
    checkpoint, warnings = CheckpointStore(tasks.folder / "task-0" / "output" / "checkpoints").load_last()
    assert checkpoint is not None and warnings == []
    return checkpoint


def differing(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> list[str]:
    assert left.keys() == right.keys()
    return [name for name in left if left[name].tobytes() != right[name].tobytes()]


@pytest.fixture(scope="module")
def joint_weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What one process computes that goes through both parts of every batch itself."""
    program, output = Path(__file__).with_name("joint_batches.py"), tmp_path_factory.mktemp("one") / "weights.npz"
    command = [sys.executable, str(program), str(data), "2", str(STEPS), str(output), *OPTIONS]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    with np.load(output) as archive:
        return {name: archive[name] for name in archive.files}


def assert_equal_but_for_summation(arrays: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_two_workers_end_with_the_weights_of_one_process_on_the_joint_batches(whole, joint_weights) -> None:
    assert_equal_but_for_summation(last_checkpoint(whole).arrays, joint_weights)


def test_the_first_worker_alone_writes_and_uploads(whole) -> None:
    store, second = whole.folder / "store", whole.folder / "task-1"
    assert list((second / "output").iterdir()) == []
    assert (store / "model" / "model.onnx").is_file() and (store / "outputs.json").is_file()
    assert not (store / "rendezvous.json").exists()
    assert "2 workers train together" in whole.log(0)
    assert "worker 1 of 2" in (store / "logs" / "task-1.log").read_text()


def test_sigterm_to_one_saves_all_at_one_step_and_two_go_on_bit_identical(whole, start, tmp_path) -> None:
    tasks = start(tmp_path, prelude=SLOWLY)
    tasks.wait_for_checkpoint(3)
    tasks.signal(1, signal.SIGTERM)
    assert tasks.codes() == [75, 75], tasks.logs()
    stopped = last_checkpoint(tasks).state["step"]
    assert 3 < stopped < STEPS
    assert all(f"stopped at step {stopped}, saved" in tasks.log(task) for task in (0, 1)), tasks.logs()
    again = start(tmp_path)
    assert again.codes() == [0, 0], again.logs()
    assert all(f"resuming at step {stopped}" in again.log(task) for task in (0, 1)), again.logs()
    assert differing(last_checkpoint(again).arrays, last_checkpoint(whole).arrays) == []


def test_a_killed_worker_ends_the_job_cleanly_and_one_worker_goes_on(start, tmp_path) -> None:
    tasks = start(tmp_path, prelude=SLOWLY)
    tasks.wait_for_checkpoint(3)
    tasks.signal(1, signal.SIGKILL)
    assert tasks.codes(20) == [12, -signal.SIGKILL], tasks.logs()
    assert "error: worker 1 (" in tasks.log(0) and "is lost: its connection ended" in tasks.log(0), tasks.log(0)
    assert "Traceback" not in tasks.log(0)
    saved = tasks.checkpoints()[-1]
    alone = start(tmp_path, count=1)
    assert alone.codes() == [0], alone.logs()
    assert f"resuming at step {saved}" in alone.log(0) and last_checkpoint(alone).state["step"] == STEPS


def test_a_worker_that_hangs_is_named_and_the_job_fails(start, tmp_path) -> None:
    tasks = start(tmp_path, prelude=SECOND_STALLS)
    assert tasks.codes() == [13, 13], tasks.logs()
    said = tasks.log(0)
    assert "worker 1 (" in said and "stalled computing at step 4; worker 0 (" in said and "waits for that" in said, said
    assert "read_from_a_dead_disk" in tasks.log(1), tasks.log(1)
    assert "stacks of worker 0" in said and "join" in said
    assert tasks.checkpoints() == [3]


def test_two_nodes_of_slurm_end_with_the_weights_of_one_process(slurm, data, joint_weights, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("DLS_", "FACEJOBS_", "AWS_", "S3_"))]:
        monkeypatch.delenv(name)
    values = dict(zip((name.removeprefix("--") for name in OPTIONS[::2]), OPTIONS[1::2], strict=True))
    spec = JobSpec.model_validate(
        {
            "name": "pair",
            "command": "facejobs train recognition",
            "inputs": {"data": str(data)},
            "outputs": {"model": None},
            "parameters": values,
            "environment": {"OMP_NUM_THREADS": "1"},
            "resources": {"nodes": 2, "cpus": 1, "memory": "500MiB"},
        }
    )
    job = SlurmVersion.submit(spec, str(tmp_path / "store"), tmp_path / "scratch")
    assert job.wait(180) is State.COMPLETED, job.log()
    checkpoint, _ = CheckpointStore(Path(job.version.url) / "checkpoints").load_last()
    assert checkpoint is not None and "2 workers train together" in job.log()
    assert_equal_but_for_summation(checkpoint.arrays, joint_weights)
