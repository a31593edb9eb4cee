"""Batch norms over two devices give what one device gives on the joint batch."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.batch_norm import batch_norm
from facejobs.engines.mxnet.embedding import build_embedding_net

DEVICES = [mx.cpu(0), mx.cpu(1)]
STATIC = {"static_alloc": True, "static_shape": True}


def named(block) -> dict[str, mx.gluon.Parameter]:
    return {n: p for n, p in block._collect_params_with_prefix().items() if not isinstance(p, mx.gluon.Constant)}


def step(net, devices: list[mx.Context], images: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """Forward and backward, nothing waited for in between; returns the outputs of all devices."""
    parts = [
        (mx.nd.array(x, ctx=device), mx.nd.array(u, ctx=device))
        for device, x, u in zip(devices, np.split(images, len(devices)), np.split(upstream, len(devices)), strict=True)
    ]
    mx.nd.waitall()
    with mx.autograd.record():
        outputs = [net(x) for x, _ in parts]
        losses = [(output * u).sum() for output, (_, u) in zip(outputs, parts, strict=True)]
    mx.autograd.backward(losses)
    mx.nd.waitall()
    return np.concatenate([output.asnumpy() for output in outputs])


def pair(name: str):
    one, two = build_embedding_net(name, 16), build_embedding_net(name, 16, devices=2)
    mx.random.seed(3)
    one.initialize()
    two.initialize(ctx=DEVICES)
    for net in (one, two):
        if name != "mobilefacenet":  # dropout is drawn on each device by itself
            net.head.dropout._rate = 0.0
    for net, device in ((one, DEVICES[0]), (two, DEVICES[0]), (two, DEVICES[1])):
        net(mx.nd.zeros((1, 3, 112, 112), ctx=device)).wait_to_read()
        net.hybridize(**STATIC)
    for key, parameter in named(two).items():
        parameter.set_data(named(one)[key].data())
    return one, two


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("name", "steps"), [("mobilefacenet", 2), ("iresnet18", 1)])
def test_two_devices_equal_one(name: str, steps: int) -> None:
    one, two = pair(name)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        images = rng.uniform(-1, 1, (4, 3, 112, 112)).astype(np.float32)
        upstream = rng.normal(size=(4, 16)).astype(np.float32)
        expected = step(one, DEVICES[:1], images, upstream)
        got = step(two, DEVICES, images, upstream)
        assert relative(got, expected) < 1e-3
    mine, theirs = named(two), named(one)
    gradients = {key: parameter.grad().asnumpy() for key, parameter in theirs.items() if parameter.grad_req != "null"}
    whole = np.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
    for key, gradient in gradients.items():
        total = sum(mine[key].grad(device).asnumpy() for device in DEVICES)
        # A gamma or bias just before another batch norm has a gradient of nothing but rounding.
        assert np.linalg.norm(total - gradient) < 1e-2 * np.linalg.norm(gradient) + 1e-5 * whole, key
    for key, parameter in theirs.items():
        if key.endswith("running_mean"):
            deviation = np.sqrt(theirs[key.replace("mean", "var")].data().asnumpy())
            for device in DEVICES:
                assert (np.abs(mine[key].data(device).asnumpy() - parameter.data().asnumpy()) / deviation).max() < 1e-3
        elif key.endswith("running_var"):
            for device in DEVICES:
                np.testing.assert_allclose(
                    mine[key].data(device).asnumpy(), parameter.data().asnumpy(), rtol=1e-3, err_msg=key
                )


def test_a_single_device_normalises_by_its_own_half_without_it() -> None:
    """The same halves through plain batch norms differ, so the test above can fail."""
    x = np.random.default_rng(0).normal(size=(8, 3, 4, 4)).astype(np.float32)
    x[4:] += 5
    joint, halves = batch_norm(3), batch_norm(3)
    joint.initialize()
    halves.initialize()
    with mx.autograd.record():
        whole = joint(mx.nd.array(x)).asnumpy()
        parts = np.concatenate([halves(mx.nd.array(half)).asnumpy() for half in np.split(x, 2)])
    assert relative(parts, whole) > 0.1


def test_a_fixed_gamma_is_an_ordinary_gamma_that_is_not_trained() -> None:
    layer = batch_norm(4, fixed_gamma=True)
    assert layer.gamma.grad_req == "null"
    assert layer._kwargs["fix_gamma"] is False
