"""Every detector exported with random batch norms equals the net at any size; graphs that differ are refused."""

from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from facejobs.engines.mxnet.detection.detectors import build_detector_net
from facejobs.engines.mxnet.detection.onnx_export import check_detector_parity, export_detector
from facejobs.engines.mxnet.errors import ExportError

SHAPES = ((1, 32, 32), (2, 96, 64), (1, 64, 160))
NETS = [("retinaface", "mobilenet0.25"), ("retinaface", "mobilenet_v2"), ("retinaface", "resnet50"), ("ssh", "vgg16")]


def randomised(detector: str, backbone: str, devices: int = 1):
    """A net with random gammas, betas and biases, its running statistics those of random images."""
    net = build_detector_net(detector, backbone, devices)
    mx.random.seed(1)
    contexts = [mx.cpu(number) for number in range(devices)]
    net.initialize(ctx=contexts)
    for context in contexts:
        net(mx.nd.zeros((1, 3, 32, 32), ctx=context))
    rng = np.random.default_rng(1)
    for name, parameter in net._collect_params_with_prefix().items():
        if name.endswith("gamma"):
            # Residual units as they were drawn make of an image's last bit a difference above the gate's tolerance.
            calm = 0.2 if "bn3" in name else 1.0
            parameter.set_data(mx.nd.array(calm * rng.uniform(0.6, 1.4, parameter.shape)))
        if name.endswith(("beta", "bias")):
            parameter.set_data(mx.nd.array(rng.normal(0, 0.1, parameter.shape)))
        if name.startswith(("classes", "boxes", "landmarks")) and name.endswith("weight"):
            parameter.set_data(mx.nd.array(rng.normal(0, 0.05, parameter.shape)))
    if devices == 1:
        net.apply(forget_running_statistics)
        with mx.autograd.record():
            outputs = net(mx.nd.random.uniform(-1, 1, (2, 3, 160, 160)))
        mx.autograd.backward(outputs)  # it is what writes running statistics
        mx.nd.waitall()
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def forget_running_statistics(block: mx.gluon.Block) -> None:
    """Let the next batch's statistics take their place."""
    if isinstance(block, mx.gluon.nn.BatchNorm):
        block._kwargs["momentum"] = 0.0


@pytest.mark.parametrize(("detector", "backbone"), NETS)
def test_export_equals_the_net(detector: str, backbone: str, tmp_path: Path) -> None:
    net = randomised(detector, backbone)
    path = tmp_path / "model.onnx"
    export_detector(net, path)
    assert check_detector_parity(net, path, shapes=SHAPES) <= 1e-4
    assert list(tmp_path.iterdir()) == [path]
    one, other = (net(mx.nd.random.uniform(-1, 1, (1, 3, 64, 64))) for _ in range(2))
    assert all(float((a - b).abs().max().asscalar()) > 0.01 for a, b in zip(one, other, strict=True))

    graph = onnx.load(str(path)).graph
    shapes = {
        tensor.name: [d.dim_param or d.dim_value for d in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.output)
    }
    expected = {
        "images": ["batch", 3, "height", "width"],
        "scores": ["batch", "anchors"],
        "boxes": ["batch", "anchors", 4],
        "landmarks": ["batch", "anchors", 10],
    }
    assert shapes == {name: expected[name] for name in list(expected)[: 4 if net.has_landmarks else 3]}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory):
    net = randomised("retinaface", "mobilenet0.25")
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_detector(net, path)
    return net, path


@pytest.mark.parametrize(
    ("operator", "place", "change"),
    [
        ("BatchNormalization", 1, np.ones_like),
        ("Conv", 1, lambda weight: weight * np.float32(1.05)),
        ("Conv", 2, lambda bias: bias + np.float32(0.01)),
    ],
)
def test_a_graph_that_differs_is_refused(exported, tmp_path: Path, operator: str, place: int, change) -> None:
    net, path = exported
    model = onnx.load(str(path))
    names = [node.input[place] for node in model.graph.node if node.op_type == operator and len(node.input) > place]
    (tensor,) = [t for t in model.graph.initializer if t.name == names[-1]]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(model, str(tmp_path / "broken.onnx"))
    with pytest.raises(ExportError, match=r"differs from the trained retinaface of mobilenet0\.25"):
        check_detector_parity(net, tmp_path / "broken.onnx", shapes=SHAPES)


def test_a_net_that_is_not_finite_is_refused(exported) -> None:
    net, path = randomised("retinaface", "mobilenet0.25"), exported[1]
    bias = net._collect_params_with_prefix()["boxes.1.convolution.bias"]
    bias.set_data(bias.data() * float("nan"))
    with pytest.raises(ExportError, match="boxes are not finite"):
        check_detector_parity(net, path, shapes=SHAPES)


def test_a_net_of_two_devices_exports_plain_batch_norms(tmp_path: Path) -> None:
    net = randomised("retinaface", "mobilenet0.25", devices=2)
    export_detector(net, tmp_path / "model.onnx")
    assert check_detector_parity(net, tmp_path / "model.onnx", shapes=SHAPES[:1]) <= 1e-4
