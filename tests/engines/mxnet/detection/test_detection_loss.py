"""The loss and its gradient against the formulas in numpy, anchor by anchor."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.engines.mxnet.detection.loss import DetectionLoss

IMAGES, ANCHORS = 3, 20
WEIGHTS = (1.0, 2.0, 0.7)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.choice([-1.0, 0.0, 1.0], (IMAGES, ANCHORS), p=[0.2, 0.5, 0.3])
    counted = (labels == 1) | ((labels == 0) & (rng.random(labels.shape) < 0.5))
    made = {
        "logits": rng.normal(0, 4, (IMAGES, ANCHORS)),
        "counted": counted,
        "labels": labels,
        "boxes": rng.normal(0, 2, (IMAGES, ANCHORS, 4)),
        "box_targets": rng.normal(0, 1, (IMAGES, ANCHORS, 4)),
        "landmarks": rng.normal(0, 2, (IMAGES, ANCHORS, 10)),
        "landmark_targets": rng.normal(0, 1, (IMAGES, ANCHORS, 10)),
        "mask": (labels == 1) & (rng.random(labels.shape) < 0.6),
    }
    made["logits"][0, :2] = (80, -80)
    return {name: array.astype(np.float32) for name, array in made.items()}


def smooth_l1(difference: float) -> float:
    return 0.5 * difference**2 if abs(difference) < 1 else abs(difference) - 0.5


def literal(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """(IMAGES, 3): classification, boxes, landmarks, each summed over anchors."""
    sums = np.zeros((IMAGES, 3))
    for image in range(IMAGES):
        for anchor in range(ANCHORS):
            at = image, anchor
            face = arrays["labels"][at] == 1
            if arrays["counted"][at]:
                logit = float(arrays["logits"][at])
                sums[image, 0] += np.logaddexp(0, -logit) if face else np.logaddexp(0, logit)
            if face:
                sums[image, 1] += sum(map(smooth_l1, arrays["boxes"][at] - arrays["box_targets"][at]))
            if arrays["mask"][at]:
                sums[image, 2] += sum(map(smooth_l1, arrays["landmarks"][at] - arrays["landmark_targets"][at]))
    return sums


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_loss_is_its_formula(arrays: dict[str, np.ndarray], hybrid: bool) -> None:
    loss = DetectionLoss(*WEIGHTS)
    if hybrid:
        loss.hybridize(static_alloc=True, static_shape=True)
    total, *terms = (part.asnumpy() for part in loss(*map(mx.nd.array, arrays.values())))
    expected = literal(arrays)
    np.testing.assert_allclose(np.stack(terms, axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(total, expected @ np.array(WEIGHTS), rtol=1e-5)


def test_without_landmarks_there_are_two_terms(arrays: dict[str, np.ndarray]) -> None:
    total, *terms = (part.asnumpy() for part in DetectionLoss(*WEIGHTS)(*map(mx.nd.array, list(arrays.values())[:5])))
    assert len(terms) == 2
    np.testing.assert_allclose(total, literal(arrays)[:, :2] @ np.array(WEIGHTS[:2]), rtol=1e-5)


def test_the_gradient_is_its_formula(arrays: dict[str, np.ndarray]) -> None:
    inputs = {name: mx.nd.array(array) for name, array in arrays.items()}
    for name in ("logits", "boxes", "landmarks"):
        inputs[name].attach_grad()
    with mx.autograd.record():
        total, *_ = DetectionLoss(*WEIGHTS)(*inputs.values())
    total.backward()
    face = arrays["labels"] == 1
    probability = 1 / (1 + np.exp(-arrays["logits"].astype(np.float64)))
    expected = {
        "logits": (probability - face) * arrays["counted"],
        "boxes": np.clip(arrays["boxes"] - arrays["box_targets"], -1, 1) * face[..., None],
        "landmarks": np.clip(arrays["landmarks"] - arrays["landmark_targets"], -1, 1) * arrays["mask"][..., None],
    }
    for (name, gradient), weight in zip(expected.items(), WEIGHTS, strict=True):
        np.testing.assert_allclose(inputs[name].grad.asnumpy(), weight * gradient, atol=1e-5, err_msg=name)
