"""Training as a user starts it: what is killed goes on bit for bit, bad input is refused and harms nothing."""

import errno
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from facejobs.training.checkpoints import CheckpointStore

STEPS = 12
QUICK = ["--batch-size", "8", "--embedding-size", "32", "--max-steps", STEPS, "--checkpoint-every", "4"]
QUICK += ["--warmup-steps", "2", "--lr", "0.02", "--epochs", "50"]

# Replaces a function of the checkpoint writer by one that dies, or fails, the third time.
DIE_WHILE_WRITING = """
import os, signal
import facejobs.training.checkpoints as module
calls, original = [], module.{name}
def die(*arguments, **options):
    calls.append(1)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)
module.{name} = die
"""
FULL_DISK = """
import errno
import facejobs.training.checkpoints as module
calls, original = [], module._write_arrays
def full(*arguments, **options):
    calls.append(1)
    if len(calls) == 2:
        raise OSError(errno.ENOSPC, "No space left on device")
    return original(*arguments, **options)
module._write_arrays = full
"""


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=300)
    return output


def final_arrays(run: Path) -> dict[str, np.ndarray]:
    checkpoint, warnings = CheckpointStore(run / "checkpoints").load_last()
    assert checkpoint is not None and warnings == []
    assert checkpoint.state["step"] == STEPS
    return checkpoint.arrays


def differing(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> list[str]:
    assert left.keys() == right.keys()
    return [name for name in left if left[name].tobytes() != right[name].tobytes()]


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory, drawn_faces, facejobs_command) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    process = facejobs_command("train", "recognition", drawn_faces / "recognition_train_data", run, *QUICK)
    output = finish(process)
    assert process.returncode == 0, output
    return run


def train(facejobs_command, faces: Path, run: Path, *more: object, prelude: str = "") -> tuple[int, str]:
    data = faces / "recognition_train_data" if (faces / "recognition_train_data").is_dir() else faces
    process = facejobs_command("train", "recognition", data, run, *QUICK, *more, prelude=prelude)
    output = finish(process)
    return process.returncode, output


def wait_for_checkpoint(process: subprocess.Popen, run: Path, step: int) -> None:
    deadline = time.monotonic() + 200
    while not any(found >= step for found in CheckpointStore(run / "checkpoints").steps()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def test_a_finished_run_leaves_a_whole_model_and_its_papers(whole_run: Path) -> None:
    description = json.loads((whole_run / "model" / "model.json").read_text())
    assert description["output"]["embedding_size"] == 32
    assert {"model.onnx", "weights.npz"} <= set(description["files"])
    assert [metric["name"] for metric in description["metrics"]]
    assert json.loads((whole_run / "params.json").read_text())["parameters"]["max_steps"] == STEPS
    assert (whole_run / "roc-synthetic.png").stat().st_size > 1000
    names = {json.loads(line)["name"] for line in (whole_run / "metrics.jsonl").read_text().splitlines()}
    assert {"loss", "lr", "gradient_norm", "images_per_second"} < names


def test_the_scores_of_the_published_model_give_its_accuracy(whole_run: Path) -> None:
    scores = json.loads((whole_run / "scores" / "synthetic.json").read_text())
    metrics = json.loads((whole_run / "model" / "model.json").read_text())["metrics"]
    (accuracy,) = (metric for metric in metrics if metric["name"] == "synthetic_accuracy")
    assert scores["protocol"] == accuracy["protocol"]
    assert np.mean(scores["correct"]) == pytest.approx(accuracy["value"])


def test_every_number_of_an_evaluation_carries_its_protocol(whole_run: Path) -> None:
    lines = [json.loads(line) for line in (whole_run / "metrics.jsonl").read_text().splitlines()]
    measured = [line for line in lines if line["name"].startswith("synthetic_")]
    assert measured and all(line["protocol"].startswith("lfw-pairs:") for line in measured)


def test_killed_and_resumed_is_bit_identical(whole_run, drawn_faces, facejobs_command, tmp_path) -> None:
    run = tmp_path / "run"
    process = facejobs_command("train", "recognition", drawn_faces / "recognition_train_data", run, *QUICK)
    wait_for_checkpoint(process, run, STEPS // 2 - 2)
    process.kill()
    finish(process)
    assert process.returncode == -signal.SIGKILL
    assert not (run / "model").exists()
    code, output = train(facejobs_command, drawn_faces, run)
    assert code == 0 and "resuming at step" in output, output
    assert differing(final_arrays(whole_run), final_arrays(run)) == []


def test_sigterm_saves_says_so_and_goes_on_bit_identical(whole_run, drawn_faces, facejobs_command, tmp_path) -> None:
    run = tmp_path / "run"
    process = facejobs_command("train", "recognition", drawn_faces / "recognition_train_data", run, *QUICK)
    wait_for_checkpoint(process, run, 4)
    process.send_signal(signal.SIGTERM)
    output = finish(process)
    assert process.returncode == 75, output
    assert "run the same command again" in output
    code, output = train(facejobs_command, drawn_faces, run)
    assert code == 0, output
    assert differing(final_arrays(whole_run), final_arrays(run)) == []


@pytest.mark.parametrize(("name", "call"), [("_describe", 3), ("sync", 7)])
def test_killed_while_writing_a_checkpoint(
    whole_run, drawn_faces, facejobs_command, tmp_path, name: str, call: int
) -> None:
    run = tmp_path / "run"
    code, _ = train(facejobs_command, drawn_faces, run, prelude=DIE_WHILE_WRITING.format(name=name, call=call))
    assert code == -signal.SIGKILL
    assert list((run / "checkpoints").glob(".writing-*"))
    code, output = train(facejobs_command, drawn_faces, run)
    assert code == 0 and "resuming at step 4" in output, output
    assert differing(final_arrays(whole_run), final_arrays(run)) == []


def test_a_full_disk_is_said_and_the_last_checkpoint_serves(whole_run, drawn_faces, facejobs_command, tmp_path) -> None:
    run = tmp_path / "run"
    code, output = train(facejobs_command, drawn_faces, run, prelude=FULL_DISK)
    assert code == 8 and os.strerror(errno.ENOSPC) in output and "Traceback" not in output, output
    code, output = train(facejobs_command, drawn_faces, run)
    assert code == 0 and "resuming at step 4" in output, output
    assert differing(final_arrays(whole_run), final_arrays(run)) == []


def test_a_complete_run_is_left_as_it_is(whole_run, drawn_faces, facejobs_command) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole_run.rglob("*") if path.is_file() and path.name != ".lock"}
    code, output = train(facejobs_command, drawn_faces, whole_run)
    assert code == 0 and "is complete" in output
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_another_runs_output_is_refused_and_left_alone(whole_run, drawn_faces, facejobs_command) -> None:
    model = (whole_run / "model" / "model.json").read_bytes()
    code, output = train(facejobs_command, drawn_faces, whole_run, "--seed", "5")
    assert code == 4 and "--seed 1 there, 5 here" in output, output
    assert (whole_run / "model" / "model.json").read_bytes() == model


def copy_of(faces: Path, target: Path) -> Path:
    shutil.copytree(faces / "recognition_train_data", target)
    return target


def missing(data: Path) -> None:
    shutil.rmtree(data)


def without_index(data: Path) -> None:
    (data / "cele.idx").unlink()


def truncated(data: Path) -> None:
    content = (data / "cele.rec").read_bytes()
    (data / "cele.rec").write_bytes(content[: len(content) // 2])


def labels_beyond_property(data: Path) -> None:
    (data / "property").write_text("3,112,112\n")


def one_identity(data: Path) -> None:
    (data / "property").write_text("1,112,112\n")


def other_image_size(data: Path) -> None:
    (data / "property").write_text("6,96,96\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "no such"),
        (without_index, "facejobs data repair"),
        (truncated, "cele.rec"),
        (labels_beyond_property, "property"),
        (one_identity, "at least two"),
        (other_image_size, "112x112"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_bad_data_are_refused_in_words(drawn_faces, facejobs_command, tmp_path, spoil, said: str) -> None:
    data = copy_of(drawn_faces, tmp_path / "data")
    spoil(data)
    code, output = train(facejobs_command, data, tmp_path / "run")
    assert code == 3 and said in output.lower().replace("does not exist", "no such") + output, output
    assert "Traceback" not in output
    assert not (tmp_path / "run" / "model").exists()


def image_offsets(data: Path, count: int) -> list[int]:
    """Byte offsets of the image payloads of the first `count` records: 8 bytes of record and 24 of image header."""
    lines = (data / "cele.idx").read_text().splitlines()[:count]
    return [int(line.split("\t")[1]) + 32 for line in lines]


def spoil_images(data: Path, count: int) -> None:
    with (data / "cele.rec").open("r+b") as file:
        for offset in image_offsets(data, count):
            file.seek(offset)
            file.write(b"no image at all!")


def test_one_image_that_is_none_is_skipped_and_reported(drawn_faces, facejobs_command, tmp_path) -> None:
    data = copy_of(drawn_faces, tmp_path / "data")
    spoil_images(data, 1)
    code, output = train(facejobs_command, data, tmp_path / "run")
    assert code == 0 and "record 1 was skipped" in output, output


def test_too_many_images_that_are_none_refuse(drawn_faces, facejobs_command, tmp_path) -> None:
    data = copy_of(drawn_faces, tmp_path / "data")
    spoil_images(data, 12)
    code, output = train(facejobs_command, data, tmp_path / "run")
    assert code == 3 and "facejobs data check" in output, output


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(drawn_faces, facejobs_command, tmp_path) -> None:
    code, output = train(facejobs_command, drawn_faces, tmp_path / "run", "--gpus", "0")
    assert code == 6 and "Traceback" not in output, output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--bakbone", "x"], "--backbone"),
        (["--backbone", "mobilefacnet"], "mobilefacenet"),
        (["--lr", "high"], "--lr"),
        (["--loss", "arkface"], "--loss"),
    ],
)
def test_misspelt_parameters_name_the_right_one(drawn_faces, facejobs_command, tmp_path, more, said: str) -> None:
    arguments = [drawn_faces / "recognition_train_data", tmp_path / "run", *more]
    process = facejobs_command("train", "recognition", *arguments)
    output = finish(process)
    assert process.returncode == 2 and said in output and "Traceback" not in output, output
    assert not (tmp_path / "run").exists()
