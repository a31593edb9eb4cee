"""The optimisers against their formulas."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.optimizer import Optimizer, decays


def parameter(name: str, value: np.ndarray) -> mx.gluon.Parameter:
    made = mx.gluon.Parameter(name, shape=value.shape)
    made.initialize(ctx=mx.cpu())
    made.set_data(mx.nd.array(value))
    return made


def set_gradient(p: mx.gluon.Parameter, gradient: np.ndarray) -> None:
    p.list_grad()[0][:] = mx.nd.array(gradient)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("net/a.weight", True),
        ("head/weight", True),
        ("net/bn.gamma", False),
        ("net/bn.beta", False),
        ("net/fc.bias", False),
        ("net/prelu.alpha", False),
    ],
)
def test_decay_is_for_weights_only(name: str, wanted: bool) -> None:
    assert decays(name) is wanted


def test_sgd_with_momentum_follows_its_formula() -> None:
    rng = np.random.default_rng(0)
    weight, gamma = rng.normal(size=(3, 2)), rng.normal(size=2)
    named = {"a.weight": parameter("w", weight), "a.gamma": parameter("g", gamma)}
    optimizer = Optimizer(named, "sgd", momentum=0.9, weight_decay=0.01)
    velocity = {"a.weight": np.zeros((3, 2)), "a.gamma": np.zeros(2)}
    expected = {"a.weight": weight, "a.gamma": gamma}
    for step in range(4):
        for name, p in named.items():
            gradient = rng.normal(size=p.shape)
            set_gradient(p, gradient)
            decay = 0.01 if name == "a.weight" else 0.0
            velocity[name] = 0.9 * velocity[name] - 0.1 * (0.5 * gradient + decay * expected[name])
            expected[name] = expected[name] + velocity[name]
        optimizer.update(step, 0.1, 0.5)
    for name, p in named.items():
        np.testing.assert_allclose(p.data().asnumpy(), expected[name], rtol=1e-5)


def test_adam_follows_its_formula_with_both_bias_corrections() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=5)
    p = parameter("w", weight)
    optimizer = Optimizer({"a.weight": p}, "adam", momentum=0.0, weight_decay=0.0)
    mean, variance = np.zeros(5), np.zeros(5)
    for step in range(5):
        gradient = rng.normal(size=5)
        set_gradient(p, gradient)
        mean, variance = 0.9 * mean + 0.1 * gradient, 0.999 * variance + 0.001 * gradient**2
        corrected = mean / (1 - 0.9 ** (step + 1))
        weight = weight - 0.01 * corrected / (np.sqrt(variance / (1 - 0.999 ** (step + 1))) + 1e-8)
        optimizer.update(step, 0.01, 1.0)
    np.testing.assert_allclose(p.data().asnumpy(), weight, rtol=1e-4)


def test_state_goes_round() -> None:
    p = parameter("w", np.ones(3))
    first = Optimizer({"a.weight": p}, "sgd", 0.9, 0.0)
    set_gradient(p, np.array([1.0, 2.0, 3.0]))
    first.update(0, 0.1, 1.0)
    second = Optimizer({"a.weight": p}, "sgd", 0.9, 0.0)
    second.load_state(first.state())
    assert first.state().keys() == {"a.weight/momentum"}
    assert second.state()["a.weight/momentum"].tobytes() == first.state()["a.weight/momentum"].tobytes()
