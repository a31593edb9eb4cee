"""Our PReLU against MXNet's own and against the formula in float64."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.prelu import PReLU


def run(block, parameter, slopes: np.ndarray, x: np.ndarray, upstream: np.ndarray):
    block.initialize()
    block.hybridize(static_alloc=True, static_shape=True)
    parameter.set_data(mx.nd.array(slopes))
    data = mx.nd.array(x)
    data.attach_grad()
    with mx.autograd.record():
        output = block(data)
    output.backward(mx.nd.array(upstream))
    return output.asnumpy(), data.grad.asnumpy(), parameter.grad().asnumpy()


@pytest.mark.parametrize("shape", [(4, 5, 9, 9), (2, 16, 7, 7), (1, 3, 1, 1)])
def test_value_and_gradients_equal_mxnets_own(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, upstream = rng.normal(size=shape), rng.normal(size=shape) / np.sqrt(np.prod(shape))
    slopes = rng.normal(size=shape[1])
    ours, theirs = PReLU(shape[1]), mx.gluon.nn.PReLU(in_channels=shape[1])
    mine = run(ours, ours.alpha, slopes, x, upstream)
    expected = run(theirs, theirs.alpha, slopes, x, upstream)
    for got, wanted in zip(mine, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_gradients_equal_the_formula() -> None:
    rng = np.random.default_rng(1)
    x, upstream, slopes = rng.normal(size=(3, 4, 6, 6)), rng.normal(size=(3, 4, 6, 6)), np.array([0.25, -0.5, 1.0, 2.0])
    ours = PReLU(4)
    value, data_gradient, slope_gradient = run(ours, ours.alpha, slopes, x, upstream)
    slope = slopes[None, :, None, None]
    np.testing.assert_allclose(value, np.where(x > 0, x, slope * x), atol=1e-6)
    np.testing.assert_allclose(data_gradient, upstream * np.where(x > 0, 1, slope), atol=1e-6)
    np.testing.assert_allclose(slope_gradient, (upstream * np.minimum(x, 0)).sum((0, 2, 3)), rtol=1e-5, atol=1e-5)


def test_only_the_slope_is_learnt() -> None:
    trained = [p.name for p in PReLU(4).collect_params().values() if p.grad_req != "null"]
    assert len(trained) == 1 and trained[0].endswith("alpha")
