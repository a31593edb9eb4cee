"""A published cascade finds faces; its graphs compare windows with a pattern instead of having learnt one."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facejobs.cli.main import main
from facejobs.data.detection.detector_description import (
    Cascade,
    DetectionDescription,
    DetectionOutputs,
    PhotographInput,
)
from facejobs.data.detection.test_scale import TestScale
from facejobs.data.errors import ModelError
from facejobs.data.model_folder import describe_files, write_description
from facejobs.inference.detector import open_detector
from facejobs.inference.mtcnn import MtcnnDetector

FACE = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1]], np.uint8)
GRAPHS = ("p-net.onnx", "r-net.onnx", "o-net.onnx")
POINTS = np.array([0.25, 0.25, 0.75, 0.25, 0.5, 0.5, 0.25, 0.75, 0.75, 0.75], np.float32)


def write_pattern_net(path: Path, window: int, stride: int) -> None:
    """A net whose logit is 20 (likeness - 0.4); boxes are the windows, landmarks at fixed places in them."""
    block = np.kron(FACE.astype(np.float32) * 2 - 1, np.ones((window // 3, window // 3), np.float32))
    constants = {
        "weights": np.tile(20 / (3 * window * window) * block, (1, 3, 1, 1)),
        "bias": np.array([-8], np.float32),
        "none": np.zeros(1, np.float32),
        "rows": np.array([0, -1]),
        "last": np.array([2]),
        "box": np.zeros(4, np.float32),
        "points": POINTS,
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights", "bias"], ["map"], strides=[stride, stride]),
        helper.make_node("Reshape", ["map", "rows"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Mul", ["scores", "none"], ["zeros"]),
        helper.make_node("Unsqueeze", ["zeros", "last"], ["column"]),
        helper.make_node("Add", ["column", "box"], ["boxes"]),
        helper.make_node("Add", ["column", "points"], ["landmarks"]),
    ]
    sizes = {"images": ("n", 3, "h", "w"), "scores": ("n", "a"), "boxes": ("n", "a", 4), "landmarks": ("n", "a", 10)}
    images, *outputs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items())
    initializers = [numpy_helper.from_array(value.astype(value.dtype), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "pattern", [images], outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def describe(folder: Path, **changes: Any) -> DetectionDescription:
    return DetectionDescription(
        **{
            "detector": "mtcnn",
            "backbone": "pattern",
            "input": PhotographInput(name="images", multiple=1),
            "outputs": DetectionOutputs(scores="scores", boxes="boxes", landmarks="landmarks"),
            "cascade": Cascade(
                graphs=GRAPHS,
                smallest_face=20,
                pyramid_factor=0.709,
                proposal_threshold=0.02,
                refinement_threshold=0.1,
            ),
            "score_threshold": 0.5,
            "nms_iou": 0.4,
            "files": describe_files(folder, GRAPHS),
            **changes,
        }
    )


@pytest.fixture
def published(tmp_path: Path) -> Path:
    for name, window, stride in zip(GRAPHS, (12, 24, 48), (2, 1, 1), strict=True):
        write_pattern_net(tmp_path / name, window, stride)
    write_description(tmp_path, describe(tmp_path))
    return tmp_path


def photograph(*faces: tuple[int, int, int]) -> np.ndarray:
    image = np.full((160, 240, 3), 127, np.uint8)
    for left, top, side in faces:
        face = cv2.resize(FACE * 255, (side, side), interpolation=cv2.INTER_NEAREST)
        image[top : top + side, left : left + side] = face[..., None]
    return image


@pytest.mark.parametrize("scale", ["original", "short-240"])
def test_faces_are_found_where_they_are(published: Path, scale: str) -> None:
    detector = open_detector(str(published), TestScale.parse(scale))
    assert isinstance(detector, MtcnnDetector)
    assert detector.name == "mtcnn"
    found = detector.detect(photograph((40, 30, 56), (160, 90, 40)))
    order = found.boxes[:, 0].argsort()
    assert found.boxes[order] == pytest.approx(np.array([[40, 30, 96, 86], [160, 90, 200, 130]]), abs=8)
    assert found.landmarks is not None
    assert found.landmarks[order][0, 4] == pytest.approx([82, 72], abs=8)


@pytest.mark.parametrize("shape", [(160, 240, 3), (1, 1, 3), (11, 300, 3)])
def test_nothing_is_found_where_nothing_is(published: Path, shape: tuple[int, int, int]) -> None:
    found = open_detector(str(published)).detect(np.full(shape, 127, np.uint8))
    assert found.boxes.shape == (0, 4)


def test_the_score_that_is_asked_for_is_that_of_the_last_net(published: Path) -> None:
    image = photograph((40, 30, 56))
    assert len(open_detector(str(published), score_threshold=0.9999).detect(image)) == 0


def test_a_graph_that_is_not_listed_is_refused(published: Path) -> None:
    files = describe_files(published, GRAPHS[:2])
    write_description(published, describe(published).model_copy(update={"files": files}))
    with pytest.raises(ModelError, match=r"does not list o-net\.onnx under files"):
        open_detector(str(published))


def test_a_net_of_other_windows_is_an_error(published: Path) -> None:
    write_pattern_net(published / GRAPHS[0], 12, 3)
    write_description(published, describe(published))
    with pytest.raises(ModelError, match=r"p-net\.onnx gave \d+ scores for an image of \d+ windows"):
        open_detector(str(published)).detect(photograph())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"cascade": {', '"cascade": null, "unknown": {'),
        lambda text: text.replace(
            '"anchors": null', '"anchors": {"strides": [8], "sizes": [[16]], "variances": [1, 1]}'
        ),
        lambda text: text.replace('"p-net.onnx",', '"../p-net.onnx",'),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(published: Path, change: Callable[[str], str]) -> None:
    path = published / "model.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ModelError, match="is not a valid model description"):
        open_detector(str(published))


def test_an_evaluation_says_which_graphs_it_measured(
    published: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    split = tmp_path_factory.mktemp("split")
    (split / "images").mkdir()
    cv2.imwrite(str(split / "images" / "one.png"), photograph((40, 30, 56)))
    (split / "label.txt").write_text("# one.png\n40 30 56 56\n")
    monkeypatch.setattr(sys, "argv", ["facejobs", "evaluate", "detection", str(published), str(split), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    model = json.loads(capsys.readouterr().out)["model"]
    assert model["sha256"] == {name: digest.sha256 for name, digest in describe(published).files.items()}
    assert sorted(model["sha256"]) == sorted(GRAPHS)
