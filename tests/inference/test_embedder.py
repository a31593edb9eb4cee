"""The embedder feeds a model as model.json says, and refuses a model that is not what it says."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facejobs.data.errors import ModelError
from facejobs.data.model_description import ModelInput, ModelOutput, RecognitionDescription
from facejobs.data.model_folder import describe_files, write_description
from facejobs.inference.embedder import Embedder

HEIGHT, WIDTH = 4, 6


def publish(
    folder: Path,
    *,
    size: int = 3 * HEIGHT * WIDTH,
    shape: tuple[object, ...] = ("n", 3, HEIGHT, WIDTH),
    stated: tuple[object, ...] = ("n", 3 * HEIGHT * WIDTH),
    element: int = TensorProto.FLOAT,
    operation: str = "Flatten",
    mean: float = 127.5,
    scale: float = 1 / 128,
) -> Path:
    """Write a model whose embedding is its normalised input, flattened in NCHW order."""
    node = helper.make_node(operation, ["pixels"], ["embedding"])
    graph = helper.make_graph(
        [node],
        "flatten",
        [helper.make_tensor_value_info("pixels", element, shape)],
        [helper.make_tensor_value_info("embedding", element, stated)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx"
    )
    describe(folder, size=size, mean=mean, scale=scale)
    return folder


def describe(
    folder: Path, *, size: int = 72, mean: float = 127.5, scale: float = 1 / 128, inputs="pixels", output="embedding"
) -> None:
    write_description(
        folder,
        RecognitionDescription(
            input=ModelInput(name=inputs, height=HEIGHT, width=WIDTH, mean=mean, scale=scale),
            output=ModelOutput(name=output, embedding_size=size),
            backbone="flatten",
            loss="none",
            files=describe_files(folder, ["model.onnx"]),
        ),
    )


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)


@pytest.mark.parametrize(("mean", "scale"), [(127.5, 1 / 128), (0.0, 1 / 255), (10.0, 2.0)])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_images_are_normalised_and_ordered_as_described(
    tmp_path: Path, mean: float, scale: float, batch_size: int
) -> None:
    embedder = Embedder.load(publish(tmp_path, mean=mean, scale=scale), threads=1)
    images = faces(7)
    expected = ((images.astype(float) - mean) * scale).transpose(0, 3, 1, 2).reshape(7, -1)
    embeddings = embedder.embed(images, batch_size)
    assert embeddings.dtype == np.float32
    assert embeddings == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert embedder.embedding_size == 72


def test_no_images_give_no_embeddings(tmp_path: Path) -> None:
    assert Embedder.load(publish(tmp_path)).embed(faces(0)).shape == (0, 72)


def test_a_mirrored_view_is_embedded_like_a_copy(tmp_path: Path) -> None:
    embedder = Embedder.load(publish(tmp_path))
    view = faces(3)[:, :, ::-1]
    assert np.array_equal(embedder.embed(view), embedder.embed(view.copy()))


def test_threads_may_share_one(tmp_path: Path) -> None:
    embedder = Embedder.load(publish(tmp_path))
    batches = [faces(count) for count in range(1, 20)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(embedder.embed, batches))
    for images, embeddings in zip(batches, together, strict=True):
        assert np.array_equal(embeddings, embedder.embed(images))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 5, 6, 3), np.uint8), "takes uint8 RGB images of 6x4 pixels, not 6x5; align"),
        (np.zeros((2, 4, 6, 3), np.float32), r"not an array of float32 \(2, 4, 6, 3\)"),
        (np.zeros((4, 6, 3), np.uint8), "not an array of uint8"),
        (np.zeros((2, 3, 4, 6), np.uint8), "not an array of uint8"),
    ],
)
def test_images_of_another_form_are_refused(tmp_path: Path, images: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Embedder.load(publish(tmp_path)).embed(images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"shape": ("n", 3, 4, 5), "stated": ("n", 60)},
            r"input pixels has shape \['n', 3, 4, 5\].*says \(batch, 3, 4, 6\)",
        ),
        ({"shape": ("n", 72)}, r"input pixels has shape \['n', 72\]"),
        ({"size": 71}, r"output embedding has shape \['n', 72\].*says \(batch, 71\)"),
        ({"shape": (1, 3, 4, 6), "stated": (1, 72)}, "fixed batch of 1"),
        ({"element": TensorProto.DOUBLE}, r"input pixels is tensor\(double\)"),
    ],
)
def test_a_graph_that_is_not_as_described_is_refused(tmp_path: Path, changes: dict, message: str) -> None:
    folder = publish(tmp_path, **changes)
    with pytest.raises(ModelError, match=message):
        Embedder.load(folder)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"inputs": "data"}, "has the inputs pixels; model.json says data"),
        ({"output": "fc1"}, "has the outputs embedding; model.json says fc1"),
    ],
)
def test_other_tensor_names_are_refused(tmp_path: Path, names: dict, message: str) -> None:
    describe(publish(tmp_path), **names)
    with pytest.raises(ModelError, match=message):
        Embedder.load(tmp_path)


def test_an_answer_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = publish(tmp_path, shape=("n", "c", "h", "w"), stated=("n", "any"), size=70)
    with pytest.raises(ModelError, match=r"gave float32 \(2, 72\) for 2 images; model\.json says float32 \(2, 70\)"):
        Embedder.load(folder).embed(faces(2))


def test_a_graph_that_fails_when_run_is_an_error(tmp_path: Path) -> None:
    folder = publish(tmp_path, shape=("n", "c", "h", "w"), stated=("n", "any"))
    model = onnx.load(folder / "model.onnx")
    model.graph.node[0].op_type = "Reshape"
    model.graph.node[0].input.append("shape")
    model.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 71]))
    onnx.save(model, folder / "model.onnx")
    describe(folder, size=71)
    with pytest.raises(ModelError, match=r"model\.onnx failed on a batch of 2: "):
        Embedder.load(folder).embed(faces(2))


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x08" * 50])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    publish(tmp_path)
    (tmp_path / "model.onnx").write_bytes(content)
    describe(tmp_path)
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded by ONNX Runtime"):
        Embedder.load(tmp_path)


def test_a_changed_or_missing_graph_is_refused(tmp_path: Path) -> None:
    path = publish(tmp_path) / "model.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="has SHA-256"):
        Embedder.load(tmp_path)
    path.unlink()
    with pytest.raises(ModelError, match=r"model\.onnx is missing"):
        Embedder.load(tmp_path)


def test_weights_outside_the_described_files_are_not_read(tmp_path: Path) -> None:
    weights = np.ones((72, 8), np.float32)
    (tmp_path / "weights.bin").write_bytes(weights.tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=weights.shape)
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "external",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ("n", 3, HEIGHT, WIDTH))],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("n", 8))],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    describe(tmp_path, size=8)
    with pytest.raises(ModelError, match="cannot be loaded"):
        Embedder.load(tmp_path)


def test_a_session_keeps_no_telemetry(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    model = tmp_path / "model"
    model.mkdir()
    publish(model)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    program = (
        "import sys, pathlib, numpy as np; from facejobs.inference.embedder import Embedder; "
        f"Embedder.load(pathlib.Path(sys.argv[1])).embed(np.zeros((1, {HEIGHT}, {WIDTH}, 3), np.uint8))"
    )
    subprocess.run([sys.executable, "-c", program, model], env={**environment, "HOME": str(home)}, check=True)
    assert not [path for path in home.rglob("*") if "onnxruntime" in path.name or "Microsoft" in path.name]
