"""Every detector net: its feature maps, the order of its outputs, and names that depend on nothing else."""

from typing import get_args

import mxnet as mx
import numpy as np
import pytest

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.engines.mxnet.batch_norm import fuse_rectifiers
from facejobs.engines.mxnet.detection.anchor_detector import ContextHead, OutputLayer
from facejobs.engines.mxnet.detection.backbones import build_detection_backbone, detection_backbone_names
from facejobs.engines.mxnet.detection.detectors import build_detector_net
from facejobs.training.detection_parameters import DetectionParameters
from facejobs.training.errors import ParameterError

CHANNELS = {"mobilenet0.25": (64, 128, 256), "mobilenet_v2": (32, 96, 320), "resnet50": (512, 1024, 2048)}


def shapes(block) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in block._collect_params_with_prefix().items()}


def test_the_registry_holds_what_the_parameters_name() -> None:
    named = get_args(DetectionParameters.model_fields["backbone"].annotation)
    assert set(detection_backbone_names()) == set(CHANNELS) == set(named)


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_feature_maps(name: str) -> None:
    backbone = build_detection_backbone(name)
    symbol = mx.sym.Group(list(backbone(mx.sym.var("images"))))
    _, maps, _ = symbol.infer_shape(images=(2, 3, 64, 96))
    assert maps == [(2, c, 64 // s, 96 // s) for c, s in zip(CHANNELS[name], (8, 16, 32), strict=True)]
    assert backbone.channels == CHANNELS[name]


NETS = [*(("retinaface", name) for name in sorted(CHANNELS)), ("ssh", "vgg16")]


@pytest.mark.parametrize(("detector", "backbone"), NETS)
def test_outputs_are_those_of_the_anchors(detector: str, backbone: str) -> None:
    net = build_detector_net(detector, backbone)
    _, outputs, _ = mx.sym.Group(list(net(mx.sym.var("images")))).infer_shape(images=(2, 3, 64, 96))
    anchors = AnchorLayout().count(64, 96)
    assert outputs == [(2, anchors), (2, anchors, 4), (2, anchors, 10)][: 3 if net.has_landmarks else 2]
    assert net.has_landmarks == (detector == "retinaface")
    assert (net.detector_name, net.backbone_name) == (detector, backbone)


def test_outputs_come_row_by_row_then_by_column_then_by_anchor() -> None:
    layer = OutputLayer(3, 4)
    layer.initialize()
    x = mx.nd.random.normal(shape=(1, 3, 2, 5))
    flat = layer(x).asnumpy()[0]
    maps = layer.convolution(x).asnumpy()[0]
    row, column, anchor, number = 1, 3, 1, 2
    assert flat.shape == (2 * 5 * 2, 4)
    assert flat[(row * 5 + column) * 2 + anchor, number] == maps[anchor * 4 + number, row, column]


def test_a_context_head_sees_seven_pixels() -> None:
    head = ContextHead(4, 8, 1, 0.1)
    head.initialize(mx.init.One())
    x = mx.nd.ones((1, 4, 15, 15))
    x.attach_grad()
    with mx.autograd.record(train_mode=False):
        middle = head(x)[0, :, 7, 7].sum()
    middle.backward(train_mode=False)
    seen = x.grad.asnumpy()[0, 0] != 0
    assert seen[4:11, 4:11].all() and seen.sum() == 49


def test_ssh_has_the_convolutions_of_vgg16() -> None:
    backbone = build_detector_net("ssh", "vgg16").backbone
    weights = [shape for name, shape in shapes(backbone).items() if name.endswith("convolution.weight")]
    assert sum(int(np.prod(shape)) for shape in weights) == 14_710_464  # 14,714,688 with the biases


@pytest.mark.parametrize(("detector", "backbone"), NETS)
def test_names_do_not_depend_on_earlier_nets_or_on_devices(detector: str, backbone: str) -> None:
    first, second, joint = (build_detector_net(detector, backbone, devices) for devices in (1, 1, 2))
    assert shapes(first) == shapes(second) == shapes(joint)
    assert list(first.collect_params()) == list(second.collect_params())


def test_one_pass_over_batch_norm_and_rectifier_gives_the_same_bits() -> None:
    def outputs_and_gradients(fused: bool) -> list[np.ndarray]:
        net = build_detector_net("retinaface", "mobilenet0.25")
        if fused:
            fuse_rectifiers(net)
        mx.random.seed(3)
        net.initialize()
        net.hybridize(static_alloc=True, static_shape=True)
        images = mx.nd.random.uniform(-1, 1, (2, 3, 64, 64))
        with mx.autograd.record():
            outputs = net(images)
            total = sum((output * output).sum() for output in outputs)
        total.backward()
        parameters = net._collect_params_with_prefix().values()
        return [*(o.asnumpy() for o in outputs), *(p.grad().asnumpy() for p in parameters if p.grad_req != "null")]

    apart, together = outputs_and_gradients(False), outputs_and_gradients(True)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(apart, together, strict=True))


def test_a_net_begins_with_hardly_any_faces() -> None:
    net = build_detector_net("retinaface", "mobilenet0.25")
    net.initialize()
    logits, boxes, landmarks = net(mx.nd.random.uniform(-1, 1, (1, 3, 64, 64)))
    assert mx.nd.sigmoid(logits).mean().asscalar() == pytest.approx(0.01, rel=0.5)
    assert max(float(output.abs().max().asscalar()) for output in (boxes, landmarks)) < 1


@pytest.mark.parametrize(("detector", "backbone"), [("retinaface", "vgg"), ("yolo", "resnet50")])
def test_what_is_not_there_is_refused(detector: str, backbone: str) -> None:
    with pytest.raises(ParameterError, match=r"'vgg' is none|'yolo' is unknown"):
        build_detector_net(detector, backbone)
