"""The recognition step: it learns, resumes bit for bit, and several devices give one device's result."""

import mxnet as mx
import numpy as np
import pytest

from facejobs.data.pipeline import Batch
from facejobs.engines.mxnet.recognition import RecognitionEngine
from facejobs.training.errors import CheckpointError, ParameterError
from facejobs.training.recognition_parameters import RecognitionParameters

CLASSES = 3


def parameters(**values) -> RecognitionParameters:
    return RecognitionParameters(**{"batch_size": 6, "embedding_size": 16, "lr": 0.05, **values})


def batch(step: int, size: int = 6) -> Batch:
    rng = np.random.default_rng(step)
    labels = np.arange(size, dtype=np.int32) % CLASSES
    images = rng.integers(0, 256, (size, 112, 112, 3), dtype=np.uint8)
    images[:, :, :, :] //= 4
    images[np.arange(size), :, :, labels] += 128
    return Batch(
        step=step,
        epoch=0,
        images=images,
        labels=labels,
        gain=np.ones((size, 3), np.float32),
        bias=np.zeros((size, 3), np.float32),
        keys=np.arange(1, size + 1),
    )


def train(engine: RecognitionEngine, first: int, end: int) -> list[float]:
    return [engine.step(batch(step), step, 0.02, step / 10).loss for step in range(first, end)]


def test_the_loss_falls() -> None:
    losses = train(RecognitionEngine(parameters(loss="softmax"), CLASSES), 0, 25)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize("loss", ["softmax", "normface", "cosface", "arcface"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_engine_goes_on_bit_for_bit(loss: str, optimizer: str) -> None:
    chosen = parameters(loss=loss, optimizer=optimizer)
    whole = RecognitionEngine(chosen, CLASSES)
    train(whole, 0, 4)
    first = RecognitionEngine(chosen, CLASSES)
    train(first, 0, 2)
    second = RecognitionEngine(chosen.model_copy(update={"seed": 99}), CLASSES)
    second._parameters = chosen
    second.load_state(first.state())
    train(second, 2, 4)
    expected, got = whole.state(), second.state()
    assert expected.keys() == got.keys()
    assert [name for name in expected if expected[name].tobytes() != got[name].tobytes()] == []


def test_dropout_is_drawn_again_the_same_after_a_resume() -> None:
    chosen = parameters(backbone="iresnet18", batch_size=4)

    def run(engine: RecognitionEngine, first: int, end: int) -> dict[str, np.ndarray]:
        for step in range(first, end):
            engine.step(batch(step, 4), step, 0.02, 0.0)
        return engine.state()

    whole = run(RecognitionEngine(chosen, CLASSES), 0, 2)
    half = run(RecognitionEngine(chosen, CLASSES), 0, 1)
    resumed = RecognitionEngine(chosen, CLASSES)
    resumed.load_state(half)
    got = run(resumed, 1, 2)
    assert [name for name in whole if whole[name].tobytes() != got[name].tobytes()] == []


def test_two_devices_give_one_devices_result() -> None:
    one = RecognitionEngine(parameters(), CLASSES, [mx.cpu(0)])
    two = RecognitionEngine(parameters(), CLASSES, [mx.cpu(0), mx.cpu(1)])
    two.load_state(one.state())
    # One step: rounding that differs by summation order grows from step to step in any deep net.
    first, second = (engine.step(batch(0), 0, 0.001, 0.0) for engine in (one, two))
    assert first.loss == pytest.approx(second.loss, rel=1e-4)
    assert first.gradient_norm == pytest.approx(second.gradient_norm, rel=1e-2)
    for name, array in one.state().items():
        np.testing.assert_allclose(two.state()[name], array, rtol=1e-2, atol=1e-3, err_msg=name)


def test_gradients_above_the_clip_are_shortened_to_it() -> None:
    free, clipped = (RecognitionEngine(parameters(gradient_clip=clip, weight_decay=0.0), CLASSES) for clip in (0, 0.01))
    before = clipped.state()
    outcome = free.step(batch(0), 0, 1.0, 0.0)
    assert outcome.gradient_norm > 0.01
    clipped.step(batch(0), 0, 1.0, 0.0)
    moved = [clipped.state()[name] - before[name] for name in clipped._trained]
    assert np.sqrt(sum(float((m.astype(np.float64) ** 2).sum()) for m in moved)) == pytest.approx(0.01, rel=1e-2)


def test_a_nan_leaves_the_weights_as_they_were() -> None:
    engine = RecognitionEngine(parameters(), CLASSES)
    before = {name: p.data().asnumpy().copy() for name, p in engine._trained.items()}
    poisoned = batch(0)
    poisoned.gain[2] = np.nan
    outcome = engine.step(poisoned, 0, 0.1, 0.0)
    assert not np.isfinite(outcome.loss)
    assert all(engine._trained[name].data().asnumpy().tobytes() == array.tobytes() for name, array in before.items())
    assert set(engine.gradient_norms()) == set(before)


def test_embedding_does_not_depend_on_the_batch_it_is_in() -> None:
    engine = RecognitionEngine(parameters(), CLASSES)
    images = batch(0, 5).images
    together = engine.embed(images)
    assert together.shape == (5, 16)
    np.testing.assert_allclose(engine.embed(images[3:4])[0], together[3], rtol=1e-4, atol=1e-5)


def test_initial_weights_come_from_a_local_file(tmp_path) -> None:
    source = RecognitionEngine(parameters(seed=5), CLASSES)
    weights = {name: array for name, array in source.state().items() if name.startswith("net/")}
    with (tmp_path / "w.npz").open("wb") as file:
        np.savez(file, **weights)
    started = RecognitionEngine(parameters(init=str(tmp_path / "w.npz")), CLASSES).state()
    assert all(started[name].tobytes() == array.tobytes() for name, array in weights.items())


def test_initial_weights_come_from_mxnets_params_file(tmp_path) -> None:
    source = RecognitionEngine(parameters(seed=5), CLASSES)
    path = tmp_path / "w.params"
    source.net.save_parameters(str(path))
    started = RecognitionEngine(parameters(init=str(path)), CLASSES)
    np.testing.assert_array_equal(started.embed(batch(0).images), source.embed(batch(0).images))


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
@pytest.mark.parametrize("suffix", [".npz", ".params"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match="cannot be read"):
        RecognitionEngine(parameters(init=str(path)), CLASSES)


def test_weights_of_another_net_are_refused(tmp_path) -> None:
    with (tmp_path / "w.npz").open("wb") as file:
        np.savez(file, other=np.zeros(3))
    with pytest.raises(ParameterError, match="none of its 1 arrays"):
        RecognitionEngine(parameters(init=str(tmp_path / "w.npz")), CLASSES)


def test_a_checkpoint_of_another_net_is_refused() -> None:
    state = RecognitionEngine(parameters(embedding_size=8), CLASSES).state()
    with pytest.raises(CheckpointError, match="another net"):
        RecognitionEngine(parameters(), CLASSES).load_state(state)
