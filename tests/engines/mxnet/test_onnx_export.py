"""Every backbone exported with random batch norms and slopes equals the net; graphs that differ are refused."""

from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from facejobs.engines.mxnet.backbones.registry import backbone_names
from facejobs.engines.mxnet.embedding import EmbeddingNet, build_embedding_net
from facejobs.engines.mxnet.errors import ExportError
from facejobs.engines.mxnet.onnx_export import OUTPUT_NAME, check_parity, export_onnx
from facejobs.engines.mxnet.onnx_graph import INPUT_NAME
from facejobs.errors import ExitCode

SIZE = 32
LARGEST = 0.5


def randomised(name: str, seed: int = 1) -> EmbeddingNet:
    """A net with random gammas, betas, running statistics and slopes; embeddings of about +-0.5."""
    net = build_embedding_net(name, SIZE)
    mx.random.seed(seed)
    net.initialize()
    images = mx.nd.random.uniform(-1, 1, (2, 3, 112, 112))
    net(images)
    net.hybridize(static_alloc=True, static_shape=True)
    rng = np.random.default_rng(seed)
    parameters = net._collect_params_with_prefix()
    drawn = {
        "gamma": lambda shape: rng.uniform(0.6, 1.4, shape),
        "beta": lambda shape: rng.normal(0, 0.1, shape),
        "running_mean": lambda shape: rng.normal(0, 0.1, shape),
        "running_var": lambda shape: rng.uniform(0.7, 1.4, shape),
        "alpha": lambda shape: rng.uniform(-0.2, 0.6, shape),
        "bias": lambda shape: rng.normal(0, 0.1, shape),
    }
    for key, parameter in parameters.items():
        kind = key.rpartition(".")[2]
        if kind in drawn:
            parameter.set_data(mx.nd.array(drawn[kind](parameter.shape)))
    last = parameters["head.output_norm.running_var"]
    for key in ("running_mean", "beta"):
        parameters[f"head.output_norm.{key}"].set_data(mx.nd.array(rng.normal(0, 0.05, SIZE)))
    last.set_data(last.data() * (float(net(images).abs().max().asscalar()) / LARGEST) ** 2)
    return net


@pytest.mark.parametrize("name", backbone_names())
def test_export_equals_the_net(name: str, tmp_path: Path) -> None:
    net = randomised(name)
    path = tmp_path / "model.onnx"
    export_onnx(net, path)
    assert check_parity(net, path, batches=(1, 7)) <= 1e-4
    embeddings = net(mx.nd.random.uniform(-1, 1, (3, 3, 112, 112))).asnumpy()
    assert np.abs(embeddings).max() < 1  # the difference above was absolute
    assert np.abs(embeddings[0] - embeddings[1]).max() > 0.01

    model = onnx.load(str(path))
    (image,), (output,) = model.graph.input, model.graph.output
    assert image.name == INPUT_NAME and output.name == OUTPUT_NAME
    dimensions = [dimension.dim_param or dimension.dim_value for dimension in image.type.tensor_type.shape.dim]
    assert dimensions == ["batch", 3, 112, 112]
    assert [d.dim_param or d.dim_value for d in output.type.tensor_type.shape.dim] == ["batch", SIZE]
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"Dropout", "Identity", "Constant"}
    assert ("PRelu" in kinds) == name.startswith(("iresnet", "mobilefacenet"))
    used = {name for node in model.graph.node for name in node.input}
    assert {initializer.name for initializer in model.graph.initializer} == used - _computed(model)
    assert list(tmp_path.iterdir()) == [path]


def _computed(model: onnx.ModelProto) -> set[str]:
    return {INPUT_NAME} | {name for node in model.graph.node for name in node.output}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[EmbeddingNet, Path]:
    net = randomised("mobilefacenet", seed=2)
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_onnx(net, path)
    return net, path


def changed(path: Path, target: Path, operator: str, place: int, change) -> Path:
    """The graph with input `place` of the last node of kind `operator` changed by `change`."""
    model = onnx.load(str(path))
    names = [node.input[place] for node in model.graph.node if node.op_type == operator]
    (tensor,) = [t for t in model.graph.initializer if t.name == names[-1]]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(model, str(target))
    return target


@pytest.mark.parametrize(
    ("operator", "place", "change"),
    [
        ("BatchNormalization", 1, np.ones_like),
        ("BatchNormalization", 4, lambda variance: variance * np.float32(1.02)),
        ("PRelu", 1, lambda slope: slope[::-1].copy()),
        ("PRelu", 1, lambda slope: np.full_like(slope, 0.25)),
    ],
)
def test_a_graph_that_differs_is_refused(exported, tmp_path: Path, operator: str, place: int, change) -> None:
    net, path = exported
    broken = changed(path, tmp_path / "broken.onnx", operator, place, change)
    with pytest.raises(
        ExportError, match=r"differs from the trained mobilefacenet by .* nothing is published"
    ) as caught:
        check_parity(net, broken)
    assert caught.value.exit_code is ExitCode.BAD_MODEL


def test_the_difference_is_reported_against_a_looser_tolerance(exported, tmp_path: Path) -> None:
    net, path = exported
    broken = changed(path, tmp_path / "b.onnx", "BatchNormalization", 2, lambda beta: beta + np.float32(0.01))
    assert check_parity(net, broken, tolerance=0.1) == pytest.approx(0.01, rel=0.05)


def test_embeddings_that_are_not_finite_are_refused(exported, tmp_path: Path) -> None:
    net, path = exported
    broken = changed(path, tmp_path / "nan.onnx", "Conv", 1, lambda w: w * np.float32(np.nan))
    with pytest.raises(ExportError, match="not finite"):
        check_parity(net, broken)


def test_a_net_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    net = randomised("mobilefacenet")
    norm = net._collect_params_with_prefix()["head.output_norm.gamma"]
    norm.set_data(norm.data() * float("nan"))
    export_onnx(net, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="not finite"):
        check_parity(net, tmp_path / "model.onnx")


def test_a_graph_of_another_embedding_size_is_refused(exported) -> None:
    _, path = exported
    net = build_embedding_net("mobilefacenet", SIZE + 1)
    net.initialize()
    with pytest.raises(ExportError, match=r"shape \(1, 32\), the net \(1, 33\)"):
        check_parity(net, path)


@pytest.mark.parametrize("content", [None, b"", b"not a graph"])
def test_a_file_that_is_no_graph_is_refused(exported, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportError, match=r"m\.onnx"):
        check_parity(exported[0], path)


def test_a_net_of_two_devices_exports_plain_batch_norms(tmp_path: Path) -> None:
    net = build_embedding_net("mobilefacenet", SIZE, devices=2)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    net.head.output_norm.gamma.set_data(mx.nd.full((SIZE,), 0.02))
    export_onnx(net, tmp_path / "model.onnx")
    assert check_parity(net, tmp_path / "model.onnx") <= 1e-4


def test_exporting_changes_neither_the_net_nor_the_file_twice(exported, tmp_path: Path) -> None:
    net, path = exported
    images = mx.nd.random.uniform(-1, 1, (2, 3, 112, 112))
    before = net(images).asnumpy()
    export_onnx(net, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    assert np.array_equal(net(images).asnumpy(), before)
