"""facejobs model import, as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from foreign_models import spots, write_embedder, write_scrfd

from facejobs.errors import ExitCode


def test_a_detector_is_imported_and_used(facejobs: Callable[..., Any], tmp_path: Path) -> None:
    source, out = write_scrfd(tmp_path / "det.onnx"), tmp_path / "out"
    ended = facejobs("model", "import", source, out, "--task", "detection", "--scale", "1/128", "--mean", "127.5")
    assert ended.returncode == ExitCode.OK
    assert ended.stdout.splitlines() == [
        "found     like SCRFD: strides [8, 16, 32], 2 points in a cell, landmarks",
        "found     input input.1: photographs of any pixels",
        "assumed   --score-threshold 0.5",
        "assumed   --channel-order RGB",
        "What is assumed cannot be seen in a graph: compare it with what the model's authors say.",
        f"model: {out}",
    ]
    assert json.loads((out / "model.json").read_text())["training"]["imported_from"] == "det.onnx"
    assert (out / "model.onnx").read_bytes() == source.read_bytes()
    cv2.imwrite(str(tmp_path / "photograph.png"), spots(64, 96, (16, 40)))
    detected = facejobs("detect", out, tmp_path / "photograph.png", "--json")
    (face,) = json.loads(detected.stdout)["faces"]
    assert face["box"] == [36, 12, 52, 28]


@pytest.mark.parametrize(
    ("text", "numbers"), [("127.5", 127.5), ("1/128", 1 / 128), ("1,2.5,1/4", [1, 2.5, 0.25]), ("1/127.5", 1 / 127.5)]
)
def test_numbers_are_plain_or_fractions(
    facejobs: Callable[..., Any], tmp_path: Path, text: str, numbers: float | list[float]
) -> None:
    source, out = write_embedder(tmp_path / "emb.onnx"), tmp_path / "out"
    ended = facejobs("model", "import", source, out, "--task", "recognition", "--scale", text, "--mean", text)
    assert ended.returncode == ExitCode.OK
    described = json.loads((out / "model.json").read_text())["input"]
    assert (described["mean"], described["scale"]) == (numbers, numbers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "segmentation"], "'--task'"),
        ([], "--task"),
        (["--task", "recognition", "--mean", "1,2"], "one number or three"),
        (["--task", "recognition", "--mean", "nan"], "one number or three"),
        (["--task", "recognition", "--scale", "0"], "above 0"),
        (["--task", "recognition", "--scale", "1/0"], "above 0"),
        (["--task", "recognition", "--nms-iou", "0.5"], "only a detector has one"),
        (["--task", "detection", "--output", "fc1"], "only a recogniser has one"),
        (["--task", "detection", "--score-threshold", "2"], "score-threshold"),
    ],
)
def test_wrong_options_are_usage_errors(
    facejobs: Callable[..., Any], tmp_path: Path, options: list[str], message: str
) -> None:
    ended = facejobs("model", "import", write_embedder(tmp_path / "emb.onnx"), tmp_path / "out", *options)
    assert ended.returncode == ExitCode.USAGE
    assert message in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_refused_file_leaves_nothing_and_good_output_stays(facejobs: Callable[..., Any], tmp_path: Path) -> None:
    source, out = write_embedder(tmp_path / "emb.onnx"), tmp_path / "out"
    ended = facejobs("model", "import", source, out, "--task", "detection")
    assert ended.returncode == ExitCode.BAD_MODEL
    assert "neither what a RetinaFace gives" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["emb.onnx"]
    assert facejobs("model", "import", source, out, "--task", "recognition").returncode == ExitCode.OK
    before = (out / "model.json").read_bytes()
    ended = facejobs("model", "import", source, out, "--task", "recognition", "--mean", "0")
    assert ended.returncode == ExitCode.OUTPUT_REFUSED
    assert (out / "model.json").read_bytes() == before
    ended = facejobs("model", "import", tmp_path / "absent.onnx", tmp_path / "b", "--task", "recognition")
    assert (ended.returncode, ended.stderr) == (
        ExitCode.BAD_MODEL,
        f"error: {tmp_path / 'absent.onnx'}: no such ONNX file\n",
    )
