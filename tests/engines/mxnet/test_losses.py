"""Each loss against its formula in numpy float64, and its gradient against central differences."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.losses.registry import build_head, default_margin, head_names

N, E, C = 5, 6, 4
SCALE = {"softmax": None, "normface": 9.0, "cosface": 16.0, "arcface": 16.0}


def cosines(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return total - logits[np.arange(len(labels)), labels]


def expected_loss(name: str, x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray, m: float) -> np.ndarray:
    rows = np.arange(len(y))
    if name == "softmax":
        return cross_entropy(x @ w.T + bias, y)
    c = cosines(x, w)
    if name == "cosface":
        c[rows, y] -= m
    elif name == "arcface":
        theta = np.arccos(np.clip(c[rows, y], -1, 1))
        c[rows, y] = np.where(theta < np.pi - m, np.cos(theta + m), np.cos(theta) - m * np.sin(m))
    return cross_entropy(SCALE[name] * c, y)


def head_with(name: str, w: np.ndarray, bias: np.ndarray, dtype: str = "float64"):
    head = build_head(name, C, E, scale=SCALE[name])
    head.initialize()
    head.cast(dtype)
    head.weight.set_data(mx.nd.array(w, dtype=dtype))
    if name == "softmax":
        head.bias.set_data(mx.nd.array(bias, dtype=dtype))
    head.hybridize(static_alloc=True, static_shape=True)
    return head


def arrays(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, E)), rng.normal(size=(C, E)), rng.normal(size=C), rng.integers(0, C, N)


def run(head, x: np.ndarray, y: np.ndarray, m: float, dtype: str = "float64"):
    """Losses, outputs, and the gradient of the summed loss with respect to the embeddings."""
    data = mx.nd.array(x, dtype=dtype)
    data.attach_grad()
    with mx.autograd.record():
        loss, logits = head(data, mx.nd.array(y, dtype="float32"), mx.nd.array([m], dtype=dtype))
    loss.backward()
    return loss.asnumpy(), logits.asnumpy(), data.grad.asnumpy()


def central_difference(function, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        change = np.zeros_like(x)
        change[index] = step
        gradient[index] = (function(x + change).sum() - function(x - change).sum()) / (2 * step)
    return gradient


@pytest.mark.parametrize("name", head_names())
@pytest.mark.parametrize("seed", [0, 1])
def test_loss_and_gradients_are_the_formulas(name: str, seed: int) -> None:
    x, w, bias, y = arrays(seed)
    m = default_margin(name)
    head = head_with(name, w, bias)
    loss, logits, gradient = run(head, x, y, m)
    np.testing.assert_allclose(loss, expected_loss(name, x, w, bias, y, m), rtol=1e-9)
    np.testing.assert_allclose(logits, x @ w.T + bias if name == "softmax" else cosines(x, w), rtol=1e-9)
    by_x = central_difference(lambda v: expected_loss(name, v, w, bias, y, m), x)
    np.testing.assert_allclose(gradient, by_x, rtol=1e-5, atol=1e-7)
    by_w = central_difference(lambda v: expected_loss(name, x, v, bias, y, m), w)
    np.testing.assert_allclose(head.weight.grad().asnumpy(), by_w, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", head_names())
def test_single_precision_agrees(name: str) -> None:
    x, w, bias, y = arrays(3)
    loss, _, _ = run(head_with(name, w, bias, "float32"), x, y, default_margin(name), "float32")
    np.testing.assert_allclose(loss, expected_loss(name, x, w, bias, y, default_margin(name)), rtol=1e-4, atol=1e-5)


def embedding_at(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """One embedding at `angle` to the weights of class 0; the weights."""
    w = np.eye(C, E)
    x = np.zeros((1, E))
    x[0, 0], x[0, E - 1] = np.cos(angle), np.sin(angle)
    return x, w


@pytest.mark.parametrize("angle", [0.3, 1.2, np.pi - 0.51, np.pi - 0.49, np.pi - 0.2])
def test_arcface_has_the_true_factor_on_both_sides_of_pi_minus_m(angle: float) -> None:
    """Taking sin(theta + m) / sin(theta) for 1, as if arccos and cos cancelled, would fail here."""
    x, w = embedding_at(angle)
    y = np.array([0])
    loss, _, gradient = run(head_with("arcface", w, np.zeros(C)), x, y, 0.5)
    np.testing.assert_allclose(loss, expected_loss("arcface", x, w, np.zeros(C), y, 0.5), rtol=1e-9, atol=1e-12)
    numeric = central_difference(lambda v: expected_loss("arcface", v, w, np.zeros(C), y, 0.5), x)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-8)
    tangent = w[0] - np.cos(angle) * x[0]  # the other weights are at right angles to it
    pull = gradient[0] @ tangent / (tangent @ tangent) / (SCALE["arcface"] * np.expm1(-loss[0]))
    factor = np.sin(angle + 0.5) / np.sin(angle) if angle < np.pi - 0.5 else 1.0
    assert pull == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize("name", head_names())
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_finite_where_the_cosine_is_one(name: str, sign: int, dtype: str) -> None:
    _, w, bias, y = arrays(4)
    x = sign * 3 * w[y]
    head = head_with(name, w, bias, dtype)
    loss, _, gradient = run(head, x, y, default_margin(name), dtype)
    assert np.isfinite(loss).all() and np.isfinite(gradient).all()
    assert np.isfinite(head.weight.grad().asnumpy()).all()


@pytest.mark.parametrize("name", head_names())
def test_an_embedding_of_zeros_gives_finite_numbers(name: str) -> None:
    _, w, bias, y = arrays(5)
    loss, _, gradient = run(head_with(name, w, bias, "float32"), np.zeros((N, E)), y, 0.3, "float32")
    assert np.isfinite(loss).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["cosface", "arcface"])
def test_the_margin_can_rise_from_zero_in_one_compiled_graph(name: str) -> None:
    x, w, bias, y = arrays(6)
    head = head_with(name, w, bias)
    for m in (0.0, 0.1, 0.35):
        np.testing.assert_allclose(run(head, x, y, m)[0], expected_loss(name, x, w, bias, y, m), rtol=1e-9)
    np.testing.assert_allclose(run(head, x, y, 0.0)[0], cross_entropy(SCALE[name] * cosines(x, w), y), rtol=1e-9)


def test_normface_learns_its_scale() -> None:
    x, w, bias, y = arrays(7)
    head = head_with("normface", w, bias)
    run(head, x, y, 0.0)
    step = 1e-6
    above, below = (cross_entropy((SCALE["normface"] + d) * cosines(x, w), y).sum() for d in (step, -step))
    np.testing.assert_allclose(head.scale.grad().asnumpy(), [(above - below) / (2 * step)], rtol=1e-5)


@pytest.mark.parametrize("name", ["normface", "cosface", "arcface"])
def test_only_directions_matter(name: str) -> None:
    x, w, bias, y = arrays(8)
    m = default_margin(name)
    one = run(head_with(name, w, bias), x, y, m)[0]
    np.testing.assert_allclose(run(head_with(name, 7 * w, bias), 0.2 * x, y, m)[0], one, rtol=1e-7)
