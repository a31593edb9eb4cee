"""The detection step: it learns, resumes bit for bit, and several devices give one device's result."""

import mxnet as mx
import numpy as np
import onnx
import pytest

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.detection_batches import DetectionBatch
from facejobs.engines.mxnet.detection.engine import DetectionEngine
from facejobs.training.detection_parameters import DetectionParameters
from facejobs.training.errors import CheckpointError

SIZE = 64


def parameters(**values) -> DetectionParameters:
    return DetectionParameters(**{"batch_size": 4, "optimizer": "adam", **values})


def batch(step: int, size: int = SIZE, count: int = 4) -> DetectionBatch:
    """Bright squares on dark ground, one an image, each known to the anchors in it."""
    rng = np.random.default_rng(step)
    anchors = AnchorLayout().boxes(size, size)
    images = rng.integers(0, 60, (count, size, size, 3), dtype=np.uint8)
    labels = np.zeros((count, len(anchors)), np.float32)
    for number, (left, top) in enumerate(rng.integers(0, size - 16, (count, 2))):
        images[number, top : top + 16, left : left + 16] += 180
        near = np.abs(anchors[:, :2] - (left + 8, top + 8)).max(axis=1) < 5
        labels[number, near & (anchors[:, 2] == 16)] = 1
        labels[number, near & (anchors[:, 2] == 32)] = -1
    faces = labels == 1
    mask = (faces & (np.arange(count) % 2 == 0)[:, None]).astype(np.float32)
    return DetectionBatch(
        step=step,
        epoch=0,
        images=images,
        labels=labels,
        box_targets=faces[..., None] * np.float32(0.5) * np.ones(4, np.float32),
        landmark_targets=mask[..., None] * np.linspace(-1, 1, 10, dtype=np.float32),
        landmark_mask=mask,
        gain=np.ones((count, 3), np.float32),
        bias=np.zeros((count, 3), np.float32),
        names=[f"{number}.jpg" for number in range(count)],
    )


def train(engine: DetectionEngine, first: int, end: int, lr: float = 2e-3) -> list[float]:
    return [engine.step(batch(step), step, lr, 0.0).loss for step in range(first, end)]


def different(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def test_every_loss_falls() -> None:
    engine = DetectionEngine(parameters())
    outcomes = [engine.step(batch(step), step, 2e-3, 0.0).measures for step in range(30)]
    for name in ("class_loss", "box_loss", "landmark_loss"):
        values = [outcome[name] for outcome in outcomes]
        assert np.mean(values[-5:]) < 0.6 * np.mean(values[:5]), name
    assert outcomes[0]["positives"] == (batch(0).labels == 1).sum()


def test_losses_are_divided_by_the_faces_of_the_batch() -> None:
    chosen = parameters(class_weight=3.0, box_weight=5.0, landmark_weight=7.0)
    engine = DetectionEngine(chosen)
    data = batch(0)
    pixels = ((data.images.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
    with mx.autograd.train_mode():
        logits, boxes, landmarks = (output.asnumpy() for output in engine.net(mx.nd.array(pixels)))
    faces = data.labels == 1
    entropy = 0.0
    for image in range(4):
        hardest = np.sort(logits[image][data.labels[image] == 0])[::-1][: 7 * faces[image].sum()]
        entropy += np.logaddexp(0, hardest).sum() + np.logaddexp(0, -logits[image][faces[image]]).sum()

    def smooth_l1(difference: np.ndarray) -> float:
        size = np.abs(difference)
        return float(np.where(size < 1, size**2 / 2, size - 0.5).sum())

    on_boxes = smooth_l1((boxes - data.box_targets)[faces])
    on_landmarks = smooth_l1((landmarks - data.landmark_targets)[data.landmark_mask == 1])
    outcome = engine.step(data, 0, 0.0, 0.0)
    count = faces.sum()
    assert outcome.measures["class_loss"] == pytest.approx(entropy / count, rel=1e-4)
    assert outcome.measures["box_loss"] == pytest.approx(on_boxes / count, rel=1e-4)
    assert outcome.measures["landmark_loss"] == pytest.approx(on_landmarks / count, rel=1e-4)
    assert outcome.loss == pytest.approx((3 * entropy + 5 * on_boxes + 7 * on_landmarks) / count, rel=1e-4)


def test_jitter_is_applied_to_normalised_pixels() -> None:
    engine = DetectionEngine(parameters())
    jittered = batch(0)
    jittered.gain[:] = np.linspace(0.7, 1.3, 12).reshape(4, 3)
    jittered.bias[:] = np.linspace(-0.2, 0.2, 12).reshape(4, 3)
    (images, gain, bias), *_ = [engine._inputs(jittered, mx.cpu(), slice(0, 4))]
    wanted = (jittered.images - 127.5) / 128 * jittered.gain[:, None, None] + jittered.bias[:, None, None]
    expected = engine.net(mx.nd.array(wanted.transpose(0, 3, 1, 2)))
    for got, output in zip(engine._training_net(images, gain, bias), expected, strict=True):
        np.testing.assert_allclose(got.asnumpy(), output.asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_engine_goes_on_bit_for_bit(optimizer: str) -> None:
    chosen = parameters(optimizer=optimizer)
    whole = DetectionEngine(chosen)
    train(whole, 0, 4)
    first = DetectionEngine(chosen)
    train(first, 0, 2)
    second = DetectionEngine(chosen.model_copy(update={"seed": 99}))
    second.load_state(first.state())
    train(second, 2, 4)
    assert different(whole.state(), second.state()) == []


def test_changing_the_image_size_changes_no_bits() -> None:
    """The plan MXNet keeps for one size must leave nothing behind in another's."""
    going, fresh = DetectionEngine(parameters()), DetectionEngine(parameters())
    for step, size in enumerate((64, 96, 64, 128)):
        going.step(batch(step, size), step, 2e-3, 0.0)
        again = DetectionEngine(parameters())
        if step:
            again.load_state(fresh.state())
        again.step(batch(step, size), step, 2e-3, 0.0)
        fresh = again
    assert different(going.state(), fresh.state()) == []


def test_two_devices_give_one_devices_result() -> None:
    one = DetectionEngine(parameters(), [mx.cpu(0)])
    two = DetectionEngine(parameters(), [mx.cpu(0), mx.cpu(1)])
    two.load_state(one.state())
    first, second = (engine.step(batch(0), 0, 1e-4, 0.0) for engine in (one, two))
    assert first.loss == pytest.approx(second.loss, rel=1e-4)
    assert first.measures["positives"] == second.measures["positives"]
    # An image changed by three millionths moves the norm at the first layers by a hundredth: forty layers add that up.
    assert first.gradient_norm == pytest.approx(second.gradient_norm, rel=5e-2)
    norms = one.gradient_norms(), two.gradient_norms()
    heads = [name for name in norms[0] if name.startswith(("net/context.0", "net/classes.0", "net/boxes.0"))]
    assert len(heads) == 19
    for name in heads:
        assert norms[1][name] == pytest.approx(norms[0][name], rel=1e-2, abs=1e-4), name
    running = [name for name in one.state() if name.endswith(("running_mean", "running_var"))]
    for name in running:
        np.testing.assert_allclose(two.state()[name], one.state()[name], rtol=1e-2, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("poisoned", ["gain", "box_targets", "landmark_targets"])
def test_a_nan_leaves_the_weights_as_they_were(poisoned: str) -> None:
    engine = DetectionEngine(parameters())
    before = {name: p.data().asnumpy().copy() for name, p in engine._trained.items()}
    data = batch(0)
    getattr(data, poisoned)[2] = np.nan
    outcome = engine.step(data, 0, 0.1, 0.0)
    # A rectifier turns a NaN into 0 on its way forward, but not on its way back.
    assert not (np.isfinite(outcome.loss) and np.isfinite(outcome.gradient_norm))
    assert all(engine._trained[name].data().asnumpy().tobytes() == array.tobytes() for name, array in before.items())


def test_a_batch_without_faces_teaches_background() -> None:
    engine = DetectionEngine(parameters(weight_decay=0.0))
    data = batch(0)
    data.labels[:] = np.minimum(data.labels, 0)
    data.landmark_mask[:] = 0
    losses = [engine.step(data, step, 2e-3, 0.0) for step in range(5)]
    assert losses[0].measures["positives"] == 0
    assert losses[0].measures["box_loss"] == losses[0].measures["landmark_loss"] == 0
    assert 0 < losses[-1].loss < losses[0].loss


def test_predictions_do_not_depend_on_the_batch_they_are_in() -> None:
    engine = DetectionEngine(parameters())
    train(engine, 0, 2)
    images = batch(7, 64).images[:, :32]
    together = engine.forward(images)
    assert together.scores.shape == (4, AnchorLayout().count(32, 64))
    alone = engine.forward(images[2:3])
    np.testing.assert_allclose(alone.scores[0], together.scores[2], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(alone.boxes[0], together.boxes[2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alone.landmarks[0], together.landmarks[2], rtol=1e-4, atol=1e-5)


def test_a_trained_detector_exports_and_starts_another(tmp_path) -> None:
    engine = DetectionEngine(parameters())
    train(engine, 0, 3)
    engine.export(tmp_path)
    model = onnx.load(str(tmp_path / "model.onnx"))
    assert [output.name for output in model.graph.output] == ["scores", "boxes", "landmarks"]
    other = DetectionEngine(parameters(seed=7, init=str(tmp_path / "weights.npz")))
    images = batch(9).images
    np.testing.assert_array_equal(other.forward(images).boxes, engine.forward(images).boxes)


def test_a_detector_without_landmarks_learns_on_the_same_code() -> None:
    engine = DetectionEngine(parameters(detector="ssh", batch_size=2))
    outcomes = [engine.step(batch(0, 64, 2), step, 1e-3, 0.0) for step in range(4)]
    assert set(outcomes[0].measures) == {"class_loss", "box_loss", "positives"}
    assert outcomes[-1].loss < 0.9 * outcomes[0].loss
    assert engine.forward(batch(0).images).landmarks is None


def test_a_checkpoint_of_another_net_is_refused() -> None:
    state = DetectionEngine(parameters()).state()
    state.pop(next(name for name in state if name.startswith("net/")))
    with pytest.raises(CheckpointError, match="another net"):
        DetectionEngine(parameters()).load_state(state)
