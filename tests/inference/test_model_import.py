"""ONNX files of others become models that find and embed what those files would."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_models import LANDMARKS, spots, write_embedder, write_retinaface, write_scrfd
from onnx import TensorProto, helper

from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.test_scale import TestScale
from facejobs.data.errors import ModelError
from facejobs.data.model_description import RecognitionDescription
from facejobs.data.model_folder import load_description
from facejobs.inference.detector import open_detector
from facejobs.inference.embedder import Embedder
from facejobs.inference.face_pipeline import FacePipeline
from facejobs.inference.import_choices import Findings, ImportChoices
from facejobs.inference.model_import import Task, import_model


def made(tmp_path: Path, source: Path, task: Task, **choices: Any) -> tuple[Path, Findings]:
    folder = tmp_path / "model"
    folder.mkdir()
    _, findings = import_model(source, folder, task, ImportChoices(**choices))
    return folder, findings


def found(folder: Path, image: np.ndarray) -> Detections:
    return open_detector(str(folder), threads=1).detect(image)


def assert_faces_at(found: Detections, *corners: tuple[int, int]) -> None:
    order = np.lexsort((found.boxes[:, 0], found.boxes[:, 1]))
    expected = np.array([[left - 4, top - 4, left + 12, top + 12] for top, left in sorted(corners)])
    assert found.boxes[order] == pytest.approx(expected, abs=1e-3)
    assert found.landmarks is not None
    points = np.array([LANDMARKS + [left, top] for top, left in sorted(corners)])  # noqa: RUF005
    assert found.landmarks[order] == pytest.approx(points, abs=1e-3)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("size", [(96, 128), (61, 90)])
def test_a_scrfd_finds_faces_where_they_are(tmp_path: Path, batched: bool, size: tuple[int, int]) -> None:
    folder, findings = made(tmp_path, write_scrfd(tmp_path / "det.onnx", batched=batched), "detection")
    assert_faces_at(found(folder, spots(*size, (16, 40), (40, 8))), (16, 40), (40, 8))
    description = load_description(folder, DetectionDescription)
    assert (description.detector, description.backbone) == ("scrfd", "det")
    assert description.points is not None
    assert (description.points.strides, description.points.per_cell) == ((8, 16, 32), 2)
    assert findings.seen[0] == "like SCRFD: strides [8, 16, 32], 2 points in a cell, landmarks"
    assert findings.assumed == ["--score-threshold 0.5", "--mean 127.5", "--scale 0.0078125", "--channel-order RGB"]


def test_a_scrfd_with_one_point_in_a_cell_of_five_levels(tmp_path: Path) -> None:
    source = write_scrfd(tmp_path / "det.onnx", strides=(8, 16, 32, 64, 128), per_cell=1)
    folder, _ = made(tmp_path, source, "detection")
    assert_faces_at(found(folder, spots(96, 128, (16, 40))), (16, 40))


def test_a_scrfd_of_one_size_sees_every_photograph_at_that_size(tmp_path: Path) -> None:
    folder, findings = made(tmp_path, write_scrfd(tmp_path / "det.onnx", 64, 96), "detection")
    assert "input input.1: photographs of 96x64 pixels" in findings.seen
    assert_faces_at(found(folder, spots(64, 96, (16, 40))), (16, 40))
    # Shown at half its size, and filled up below.
    large = np.kron(spots(48, 96, (16, 40)), np.ones((2, 2, 1), np.uint8))
    assert found(folder, large).boxes == pytest.approx(np.array([[72, 24, 104, 56]]), abs=1e-3)
    assert len(found(folder, np.zeros((1, 500, 3), np.uint8))) == 0
    at_short_side = open_detector(str(folder), TestScale.parse("short-96"), threads=1)
    assert at_short_side.detect(large).boxes == pytest.approx(np.array([[72, 24, 104, 56]]), abs=1e-3)


def test_a_retinaface_finds_faces_where_they_are(tmp_path: Path) -> None:
    folder, findings = made(tmp_path, write_retinaface(tmp_path / "r.onnx"), "detection", name="mobile")
    assert_faces_at(found(folder, spots(61, 90, (16, 40), (40, 8))), (16, 40), (40, 8))
    # Its graph looks at the first channel alone, and that is blue.
    assert len(found(folder, spots(61, 90, (16, 40), colour=(0, 0, 255)))) == 1
    assert len(found(folder, spots(61, 90, (16, 40), colour=(255, 255, 0)))) == 0
    assert findings.seen[0] == "like RetinaFace: loc, conf of two classes, landmarks"
    assert "--mean 104,117,123" in findings.assumed
    assert load_description(folder, DetectionDescription).backbone == "mobile"


@pytest.mark.parametrize("write", [write_scrfd, write_retinaface])
@pytest.mark.parametrize("size", [("h", "w"), (64, 96)])
def test_imported_models_describe_photographs(
    tmp_path: Path, write: Callable[..., Path], size: tuple[Any, Any]
) -> None:
    detector, _ = made(tmp_path / "d", write(tmp_path / "d" / "det.onnx", *size), "detection")
    recogniser, _ = made(tmp_path / "r", write_embedder(tmp_path / "r" / "emb.onnx", batch=1), "recognition")
    pipeline = FacePipeline.open(detector, recogniser)
    image = np.random.default_rng(0).integers(0, 50, (64, 96, 3)).astype(np.uint8) | spots(64, 96, (16, 40))
    (face,) = pipeline.describe(image).faces
    assert np.linalg.norm(face.embedding) == pytest.approx(1)


def test_what_is_chosen_is_not_assumed(tmp_path: Path) -> None:
    folder, findings = made(
        tmp_path,
        write_scrfd(tmp_path / "det.onnx"),
        "detection",
        mean=(1.0, 2.0, 3.0),
        scale=0.5,
        channel_order="BGR",
        score_threshold=0.25,
        nms_iou=0.3,
    )
    description = load_description(folder, DetectionDescription)
    assert (description.input.mean, description.input.scale) == ((1, 2, 3), 0.5)
    assert description.input.channel_order == "BGR"
    assert (description.score_threshold, description.nms_iou) == (0.25, 0.3)
    assert findings.assumed == []


@pytest.mark.parametrize("batch", ["n", 1])
def test_an_embedder_embeds_as_its_graph_does(tmp_path: Path, batch: int | str) -> None:
    source = write_embedder(tmp_path / "emb.onnx", batch=batch)
    folder, findings = made(tmp_path, source, "recognition", mean=(10.0, 20.0, 30.0), scale=2.0, channel_order="BGR")
    faces = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    fields = faces.astype(float).reshape(3, 7, 16, 7, 16, 3).mean(axis=(2, 4))[..., ::-1]
    expected = ((fields - [10, 20, 30]) * 2).transpose(0, 3, 1, 2).reshape(3, -1)
    assert Embedder.load(folder).embed(faces) == pytest.approx(expected, rel=1e-5, abs=1e-3)
    assert load_description(folder, RecognitionDescription).input.batch == (1 if batch == 1 else None)
    assert findings.seen[0] == "output 683: an embedding of 147 values"


def test_a_batch_that_only_its_name_says_is_found_out(tmp_path: Path) -> None:
    source = write_embedder(tmp_path / "emb.onnx", one_only=True, stated=("x", 147))
    folder, findings = made(tmp_path, source, "recognition")
    assert "input input.1: one face at a time" in findings.seen
    faces = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    assert Embedder.load(folder).embed(faces).shape == (3, 147)


def test_the_graph_of_a_model_is_not_imported_again(tmp_path: Path) -> None:
    """Its model.json says how to feed it, which would be lost."""
    folder, _ = made(tmp_path, write_embedder(tmp_path / "emb.onnx"), "recognition")
    (tmp_path / "again").mkdir()
    with pytest.raises(ModelError, match=f"belongs to the model in {folder}, which can be used as it is"):
        import_model(folder / "model.onnx", tmp_path / "again", "recognition", ImportChoices())


def with_outputs(source: Path, *extra: tuple[str, tuple[int, ...]]) -> Path:
    """Add outputs that are averages of the input."""
    model = onnx.load(source)
    for name, shape in extra:
        model.graph.node.append(helper.make_node("GlobalAveragePool", ["input.1"], [f"{name}_mean"]))
        model.graph.initializer.append(helper.make_tensor(f"{name}_shape", TensorProto.INT64, [len(shape)], shape))
        model.graph.node.append(helper.make_node("Reshape", [f"{name}_mean", f"{name}_shape"], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    onnx.save(model, source)
    return source


def test_of_several_outputs_the_embedding_is_named(tmp_path: Path) -> None:
    source = with_outputs(write_embedder(tmp_path / "emb.onnx"), ("colour", (-1, 3)), ("map", (-1, 3, 1, 1)))
    with pytest.raises(ModelError, match="name the embedding with --output"):
        made(tmp_path, source, "recognition")
    with pytest.raises(ModelError, match="has no output fc1; it has 683"):
        import_model(source, tmp_path / "model", "recognition", ImportChoices(output="fc1"))
    with pytest.raises(ModelError, match=r"none of them is float32 \(1, embedding size\)"):
        import_model(source, tmp_path / "model", "recognition", ImportChoices(output="map"))
    description, _ = import_model(source, tmp_path / "model", "recognition", ImportChoices(output="colour"))
    assert isinstance(description, RecognitionDescription)
    assert description.output.embedding_size == 3


def test_a_graph_that_may_normalise_itself_is_remarked(tmp_path: Path) -> None:
    source = write_embedder(tmp_path / "emb.onnx")
    model = onnx.load(source)
    model.graph.node[0].input[0] = "centred"
    model.graph.initializer.append(helper.make_tensor("mean", TensorProto.FLOAT, [1], [127.5]))
    model.graph.node.insert(0, helper.make_node("Sub", ["input.1", "mean"], ["centred"]))
    onnx.save(model, source)
    folder, findings = made(tmp_path, source, "recognition")
    assert any("give --mean 0 --scale 1" in line for line in findings.assumed)
    _, findings = import_model(source, folder, "recognition", ImportChoices(mean=0.0, scale=1.0))
    assert findings.assumed == ["--channel-order RGB"]


def with_input(path: Path, shape: tuple[int, ...], kind: str = "float", inputs: int = 1) -> Path:
    """A graph that gives its inputs, added."""
    element = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}[kind]
    given = [helper.make_tensor_value_info(f"x{number}", element, shape) for number in range(inputs)]
    node = helper.make_node("Add", ["x0", f"x{inputs - 1}"], ["sum"])
    graph = helper.make_graph([node], "sum", given, [helper.make_tensor_value_info("sum", element, shape)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("write", "task", "message"),
    [
        (lambda path: write_scrfd(path, sigmoid=False), "detection", r"score_8 holds no probabilities but -.*sigmoid"),
        (lambda path: write_retinaface(path, softmax=False), "detection", "conf holds no probabilities; export"),
        (lambda path: write_retinaface(path, per_cell=3), "detection", "has 6048 anchors for 384x256 pixels, not 4032"),
        (lambda path: write_scrfd(path, strides=(8, 16)), "detection", "neither what a RetinaFace gives"),
        (
            lambda path: write_scrfd(path, strides=(8, 32, 64)),
            "detection",
            "not [3072, 768, 192], as strides of [8, 16",
        ),
        (lambda path: write_scrfd(path, 72, 96), "detection", "takes images of 96x72 pixels, which are no multiples"),
        (lambda path: write_retinaface(path, 840, 840), "detection", "takes images of 840x840 pixels, which are no"),
        (lambda path: write_scrfd(path, 640, "w"), "detection", "one side of any size and one of one size"),
        (write_embedder, "detection", "neither what a RetinaFace gives"),
        (write_scrfd, "recognition", "none of them is float32 (1, embedding size)"),
        (lambda path: write_embedder(path, 160), "recognition", "takes images of 160x160 pixels; faces are aligned to"),
        (lambda path: write_embedder(path, batch=8), "recognition", "has a fixed batch of 8"),
        (lambda path: with_input(path, (1, 112, 112, 3)), "recognition", "export the model in float32, with channels"),
        (lambda path: with_input(path, (1, 3, 112, 112), "float16"), "recognition", "is tensor(float16) [1, 3, 112"),
        (lambda path: with_input(path, (1, 3, 112, 112), inputs=2), "recognition", "has the inputs x0, x1; a graph of"),
    ],
)
def test_what_is_not_of_a_known_kind_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], task: Task, message: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(message) if "*" not in message else message):
        made(tmp_path, write(tmp_path / "foreign.onnx"), task)


@pytest.mark.parametrize(("write", "name"), [(write_scrfd, "bbox_16"), (write_retinaface, "loc")])
def test_a_detector_that_gives_no_numbers_is_refused(tmp_path: Path, write: Callable[[Path], Path], name: str) -> None:
    path = write(tmp_path / "det.onnx")
    model = onnx.load(path)
    (last,) = (node for node in model.graph.node if name in node.output)
    last.output[list(last.output).index(name)] = "sound"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(np.nan, np.float32), "damage"))
    model.graph.node.append(helper.make_node("Add", ["sound", "damage"], [name]))
    onnx.save(model, path)
    with pytest.raises(ModelError, match=rf"det\.onnx: output {name} is not finite for an image of noise"):
        made(tmp_path, path, "detection")


def test_a_detector_without_landmarks_is_told_to_align_nothing(tmp_path: Path) -> None:
    folder, findings = made(tmp_path, write_scrfd(tmp_path / "det.onnx", landmarks=False), "detection")
    assert findings.seen[0].endswith("no landmarks: it cannot align faces")
    assert found(folder, spots(64, 96, (16, 40))).landmarks is None


@pytest.mark.parametrize(
    ("write", "changes", "message"),
    [
        (write_scrfd, {"points": {"strides": [8, 16, 32], "per_cell": 1}}, "lays out 96 points there, of 1 numbers"),
        (write_scrfd, {"points": {"strides": [8, 32, 16], "per_cell": 2}}, "lays out 12 points there"),
        (write_scrfd, {"points": {"strides": [8, 12, 20], "per_cell": 2}, "multiple": 120}, "must divide the largest"),
        (write_scrfd, {"multiple": 64}, "input.multiple is 64, but the largest stride of the points is 32"),
        (write_retinaface, {"classes": 1}, "output conf has shape"),
        (write_retinaface, {"batch": None}, "has a fixed batch of 1"),
    ],
)
def test_a_description_that_was_changed_wrongly_is_an_error(
    tmp_path: Path, write: Callable[[Path], Path], changes: dict[str, Any], message: str
) -> None:
    folder, _ = made(tmp_path, write(tmp_path / "det.onnx"), "detection")
    document = json.loads((folder / "model.json").read_text())
    for key, value in changes.items():
        part = {"multiple": "input", "batch": "input", "classes": "outputs"}.get(key)
        (document[part] if part else document)[key] = value
    (folder / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=re.escape(message)):
        found(folder, spots(64, 96, (16, 40)))


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x08" * 50])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.onnx cannot be loaded by ONNX Runtime"):
        made(tmp_path, tmp_path / "x.onnx", "detection")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: no such ONNX file"):
        made(tmp_path, tmp_path / "absent.onnx", "detection")
    with pytest.raises(ModelError, match="is a folder, not a file"):
        import_model(tmp_path, tmp_path / "model", "detection", ImportChoices())
