"""`facejobs evaluate verification` from the command line, with good input and with bad."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import simplejpeg
from onnx import TensorProto, helper

from facejobs.data.model_description import ModelInput, ModelOutput, RecognitionDescription
from facejobs.data.model_folder import describe_files, write_description
from facejobs.errors import ExitCode

SIDE = 16


Evaluate = Callable[..., Any]


@pytest.fixture
def evaluate(facejobs: Callable[..., Any]) -> Evaluate:
    """Runs `facejobs evaluate verification` with the given arguments, through the whole command line."""
    return partial(facejobs, "evaluate", "verification")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run, whose model gives block means."""
    run = tmp_path_factory.mktemp("run")
    folder = run / "model"
    folder.mkdir()
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "blocks",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ("n", 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("n", 48))],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx"
    )
    description = RecognitionDescription(
        input=ModelInput(name="pixels", height=SIDE, width=SIDE),
        output=ModelOutput(name="embedding", embedding_size=48),
        backbone="blocks",
        loss="none",
        files=describe_files(folder, ["model.onnx"]),
    )
    write_description(folder, description)
    return run


def draw(rng: np.random.Generator, noise: int) -> list[bytes]:
    face = np.kron(rng.integers(0, 256, (4, 2, 3)), np.ones((4, 4, 1)))
    face = np.concatenate([face, face[:, ::-1]], axis=1)
    photographs = (np.clip(face + rng.integers(-noise, noise, face.shape), 0, 255).astype(np.uint8) for _ in range(2))
    return [simplejpeg.encode_jpeg(photograph, quality=95) for photograph in photographs]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten folds of 31 pairs of each kind: enough for TAR at FAR 0.1, not for 0.01."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("drawn")
    people = [f"Person_{number}" for number in range(62)]
    for name in people:
        (root / name).mkdir()
        for number, image in enumerate(draw(rng, 20), start=1):
            (root / name / f"{name}_{number:04d}.jpg").write_bytes(image)
    lines = ["10\t31"]
    for fold in range(10):
        lines += [f"{people[k]}\t1\t2" for k in range(31)]
        lines += [f"{people[k]}\t1\t{people[31 + (k + fold) % 31]}\t2" for k in range(31)]
    (root / "pairs.txt").write_text("\n".join(lines) + "\n")
    return root


def test_a_table_and_a_folder_of_results(evaluate: Evaluate, model: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results"
    done = evaluate(model, pairs, "--out", out, "--batch-size", 17)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{pairs.name}: 310 pairs of one person, 310 of different people, 93 images" in done.stdout
    assert "not enough pairs of different people: 310 present, 3,000 needed" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        f"{pairs.name}-roc.png", f"{pairs.name}-scores.npz", "results.json",
    ]  # fmt: skip
    document = json.loads((out / "results.json").read_text())
    (result,) = document["verification"]
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values["verification_accuracy"] > 0.95  # noisy copies of block patterns are easy
    assert f"{values['verification_accuracy']:.4f} ± " in done.stdout
    assert [missing["name"] for missing in result["not_enough_pairs"]] == ["tar_at_far_1e-2", "tar_at_far_1e-3"]
    scores = np.load(out / f"{pairs.name}-scores.npz", allow_pickle=False)
    assert str(scores["protocol"]) == result["protocol"]
    assert scores["cosine"].shape == (620,)
    assert scores["squared_distance"] == pytest.approx(2 - 2 * scores["cosine"])
    accepted = scores["cosine"] >= result["thresholds"][0]["threshold"]
    assert accepted[scores["same"]].mean() == values["tar_at_far_1e-1"]
    folds = [
        np.mean((scores["cosine"] >= threshold)[scores["fold"] == k] == scores["same"][scores["fold"] == k])
        for k, threshold in enumerate(result["folds"]["threshold"])
    ]
    assert np.mean(folds) == pytest.approx(values["verification_accuracy"])


def test_json_is_all_that_is_printed_and_repeats(evaluate: Evaluate, model: Path, pairs: Path) -> None:
    first, second = evaluate(model / "model", pairs, "--json"), evaluate(model, pairs, "--json", "--batch-size", 1)
    assert first.stdout == second.stdout
    document = json.loads(first.stdout)
    assert document["model"]["backbone"] == "blocks"
    assert len(document["verification"][0]["folds"]["accuracy"]) == 10


def write_bin(path: Path, kinds: list[bool]) -> Path:
    rng = np.random.default_rng(1)
    images = [image for _ in kinds for image in draw(rng, 20)]
    path.write_bytes(pickle.dumps((images, kinds), 4))
    return path


def test_every_bin_of_a_folder_is_measured(evaluate: Evaluate, model: Path, tmp_path: Path) -> None:
    for name in ("agedb_30", "cfp_fp"):
        write_bin(tmp_path / f"{name}.bin", [True] * 12)
    done = evaluate(model, tmp_path, "--json")
    results = json.loads(done.stdout)["verification"]
    assert [result["name"] for result in results] == ["agedb_30", "cfp_fp"]
    assert results[0]["metrics"] == []
    assert "not enough pairs of different people: 0 present" in evaluate(model, tmp_path / "cfp_fp.bin").stdout


def test_one_pair_is_counted_as_one_and_no_picture_is_promised(evaluate: Evaluate, model: Path, tmp_path: Path) -> None:
    done = evaluate(model, write_bin(tmp_path / "tiny.bin", [True]), "--out", tmp_path / "out")
    assert done.stdout.startswith("tiny: 1 pair of one person, 0 of different people, 2 images\n")
    assert done.stdout.endswith(f"\nresults and pair scores: {tmp_path / 'out'}\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.json", "tiny-scores.npz"]


def test_a_full_disk_is_one_message(model: Path, pairs: Path, tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
    program = limited + "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    program += "from facejobs.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "evaluate", "verification", model, pairs, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.WRITE_FAILED
    assert done.stderr.startswith(f"error: File too large: {tmp_path / 'out'}; ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_home_that_cannot_be_written_to_is_nobodys_concern(model: Path, pairs: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    program = "from facejobs.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "evaluate", "verification", model, pairs, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "HOME": "/proc/nowhere"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def bad_input(case: str, folder: Path) -> tuple[Path, str]:
    path = folder / "set.bin"
    if case == "missing":
        return folder / "absent", "does not exist"
    if case == "empty folder":
        return folder, "neither pairs.txt nor a .bin file"
    if case == "empty bin":
        path.touch()
        return path, "is empty"
    if case == "truncated bin":
        write_bin(path, [True] * 4)
        path.write_bytes(path.read_bytes()[:-100])
        return path, "truncated"
    if case == "hostile bin":
        path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        return path, "it could run code"
    if case == "damaged image":
        path.write_bytes(pickle.dumps(([b"\xff\xd8\xff", b"x"], [True])))
        return path, "set.bin: image 0: "
    (folder / "pairs.txt").write_text("10\t300\nAnn\t1\n")
    if case == "pairs.txt itself":
        return folder / "pairs.txt", f"give the folder that holds it and the images, {folder}"
    return folder, "line 2: expected 3 fields"


@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "empty folder",
        "empty bin",
        "truncated bin",
        "hostile bin",
        "damaged image",
        "malformed pairs.txt",
        "pairs.txt itself",
    ],
)
def test_bad_data_is_one_message_and_leaves_nothing(evaluate: Evaluate, model: Path, tmp_path: Path, case: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path, message = bad_input(case, data)
    done = evaluate(model, path, "--out", tmp_path / "out")
    assert done.returncode == ExitCode.BAD_DATA
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [data]


def test_a_bad_model_and_images_of_another_size_have_their_own_code(
    evaluate: Evaluate, model: Path, pairs: Path, tmp_path: Path
) -> None:
    done = evaluate(tmp_path, pairs)
    assert done.returncode == ExitCode.BAD_MODEL
    assert "no model.json" in done.stderr
    image = simplejpeg.encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "small.bin").write_bytes(pickle.dumps(([image] * 2, [True])))
    done = evaluate(model, tmp_path / "small.bin")
    assert done.returncode == ExitCode.BAD_MODEL
    assert "16x16 pixels, not 8x8" in done.stderr


def test_an_existing_folder_is_left_as_it_is(evaluate: Evaluate, model: Path, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = evaluate(model, pairs, "--out", tmp_path)
    assert done.returncode == ExitCode.OUTPUT_REFUSED
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_batch_of_none_is_a_usage_error(evaluate: Evaluate, model: Path, pairs: Path) -> None:
    assert evaluate(model, pairs, "--batch-size", 0).returncode == ExitCode.USAGE
