"""Embedding nets: shape, the fixed gamma, and dropout in training only."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.embedding import DenseHead, GlobalDepthwiseHead, build_embedding_net

STATIC = {"static_alloc": True, "static_shape": True}


@pytest.mark.parametrize("name", ["mobilefacenet", "iresnet18", "mobilenet_v2"])
def test_a_training_step_reaches_every_weight_but_the_fixed_gamma(name: str) -> None:
    net = build_embedding_net(name, 24)
    mx.random.seed(0)
    net.initialize()
    net.hybridize(**STATIC)
    images = mx.nd.random.uniform(-1, 1, (4, 3, 112, 112))
    direction = mx.nd.random.normal(0, 1, (4, 24))
    with mx.autograd.record():
        embeddings = net(images)
        loss = (embeddings * direction).sum()
    loss.backward()
    assert embeddings.shape == (4, 24)
    parameters = net._collect_params_with_prefix()
    fixed = [n for n, p in parameters.items() if n.endswith("gamma") and p.grad_req == "null"]
    assert fixed == ([] if name == "mobilefacenet" else ["head.output_norm.gamma"])
    gradients = {n: p.grad().asnumpy() for n, p in parameters.items() if p.grad_req != "null"}
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    assert [n for n, gradient in gradients.items() if not gradient.any()] == []
    assert all((parameters[n].data().asnumpy() == 1).all() for n in fixed)


@pytest.mark.parametrize(("head", "channels"), [(DenseHead, 6), (GlobalDepthwiseHead, 512)])
def test_embeddings_of_a_batch_are_normalised_in_training(head, channels: int) -> None:
    block = head(5)
    block.initialize(mx.init.Normal(0.1))
    block.hybridize(**STATIC)
    features = mx.nd.random.normal(3, 2, (64, channels, 7, 7))
    with mx.autograd.record():
        embeddings = block(features).asnumpy()
    assert embeddings.shape == (64, 5)
    np.testing.assert_allclose(embeddings.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(embeddings.std(axis=0), 1, atol=1e-2)


def test_dropout_acts_in_training_only() -> None:
    head = DenseHead(5)
    head.initialize()
    features = mx.nd.random.normal(0, 1, (8, 6, 7, 7))

    def run() -> np.ndarray:
        return head(features).asnumpy()

    assert np.array_equal(run(), run())
    with mx.autograd.train_mode():
        assert not np.array_equal(run(), run())
