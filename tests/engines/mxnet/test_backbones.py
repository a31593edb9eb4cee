"""Every backbone: its feature map, its size against the published one, and names that depend on nothing else."""

from typing import get_args

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.backbones.registry import backbone_names, build_backbone, check_backbone
from facejobs.engines.mxnet.embedding import build_embedding_net
from facejobs.training.errors import ParameterError
from facejobs.training.recognition_parameters import Backbone

FEATURE_MAPS = {
    "iresnet18": (512, 7, 7),
    "iresnet34": (512, 7, 7),
    "iresnet50": (512, 7, 7),
    "iresnet100": (512, 7, 7),
    "mobilefacenet": (512, 7, 7),
    "mobilenet_v2": (1280, 4, 4),
    "resnet50_v1b": (2048, 4, 4),
    "vgg16": (512, 3, 3),
}


def shapes(block) -> dict[str, tuple[int, ...]]:
    return {
        name: parameter.shape
        for name, parameter in block._collect_params_with_prefix().items()
        if not isinstance(parameter, mx.gluon.Constant)
    }


def trained_numbers(block) -> int:
    return sum(int(np.prod(shape)) for name, shape in shapes(block).items() if "running_" not in name)


def test_the_registry_holds_what_the_documentation_names() -> None:
    assert set(backbone_names()) == set(FEATURE_MAPS) == set(get_args(Backbone))


@pytest.mark.parametrize("name", sorted(FEATURE_MAPS))
def test_feature_map(name: str) -> None:
    symbol = build_backbone(name)(mx.sym.var("images"))
    _, (shape,), _ = symbol.infer_shape(images=(2, 3, 112, 112))
    assert shape == (2, *FEATURE_MAPS[name])


@pytest.mark.parametrize(
    ("name", "published"),
    [("iresnet18", 24_025_600), ("iresnet34", 34_139_328), ("iresnet50", 43_590_848), ("iresnet100", 65_156_160)],
)
def test_iresnets_are_of_the_published_size(name: str, published: int) -> None:
    """Counts of InsightFace's networks with 512 numbers in an embedding, the fixed gamma included."""
    net = build_embedding_net(name, 512)
    net.infer_shape(mx.nd.zeros((1, 3, 112, 112)))
    assert trained_numbers(net) == published


def test_mobilefacenet_is_of_the_published_size() -> None:
    """0.99 million in the paper, with 128 numbers in an embedding."""
    assert trained_numbers(build_embedding_net("mobilefacenet", 128)) == pytest.approx(0.99e6, rel=0.015)


@pytest.mark.parametrize("name", sorted(FEATURE_MAPS))
def test_names_do_not_depend_on_earlier_nets_or_on_devices(name: str) -> None:
    first, second, joint = (build_embedding_net(name, 8, devices) for devices in (1, 1, 2))
    assert shapes(first) == shapes(second) == shapes(joint)
    assert list(first.collect_params()) == list(second.collect_params())


def test_equal_seeds_draw_equal_weights() -> None:
    def drawn(seed: int) -> dict[str, np.ndarray]:
        net = build_embedding_net("mobilefacenet", 16)
        mx.random.seed(seed)
        net.initialize()
        return {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}

    one, again, other = drawn(1), drawn(1), drawn(2)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert all(not np.array_equal(one[name], other[name]) for name in one if name.endswith("weight"))


def test_weights_have_the_deviation_of_their_fan_out() -> None:
    net = build_embedding_net("mobilefacenet", 64)
    net.initialize()
    weights = {n: p.data().asnumpy() for n, p in net._collect_params_with_prefix().items() if n.endswith("weight")}
    depthwise = weights["backbone.body.1.convolution.weight"]
    assert depthwise.shape == (64, 1, 3, 3)
    assert depthwise.std() == pytest.approx(np.sqrt(2 / 9), rel=0.1)
    pointwise = weights["backbone.body.2.expand.convolution.weight"]
    assert pointwise.shape == (128, 64, 1, 1)
    assert pointwise.std() == pytest.approx(np.sqrt(2 / 128), rel=0.1)


def test_a_misspelt_backbone_names_the_nearest() -> None:
    with pytest.raises(ParameterError, match="'mobilfacenet' is unknown: did you mean mobilefacenet"):
        check_backbone("mobilfacenet")
    with pytest.raises(ParameterError, match=r"there are: iresnet100 .*vgg16"):
        build_backbone("zzz")
