"""The nets of MTCNN learn one after the other, and are published as a cascade that detects."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.detection_batches import DetectionBatch, DetectionBatches
from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.mtcnn_samples import BACKGROUND, FACE, PART, UNUSED, WindowSamples
from facejobs.data.detection.photo_augmentation import PhotoAugmentation
from facejobs.data.synthetic.detection_set import PhotographCounts, write_synthetic_detection
from facejobs.engines.mxnet.detection.mtcnn import STAGES, StageLoss, StageNet
from facejobs.engines.mxnet.detection.mtcnn_engine import MtcnnEngine, weigh
from facejobs.inference.detector import open_detector
from facejobs.inference.mtcnn import MtcnnDetector
from facejobs.training.detection import train_detection
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters

PARAMETERS = DetectionParameters(
    detector="mtcnn", batch_size=2, optimizer="adam", lr=1e-3, warmup_steps=0, image_sizes=(96,), max_steps=6
)
CPU = [mx.cpu()]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    write_synthetic_detection(folder, PhotographCounts(train=4, val=1, test=1), seed=3, processes=1)
    return folder / "detection_train_data"


@pytest.fixture(scope="module")
def batch(photographs: Path) -> DetectionBatch:
    split = DetectionSplit.open(photographs / "train")
    batches = DetectionBatches(split, 2, 1, PhotoAugmentation(), LAYOUT, (96,), 1)
    with batches:
        return next(batches.start(0))


@pytest.mark.parametrize(("stage", "window"), [("p-net", 12), ("r-net", 24), ("o-net", 48)])
def test_each_net_says_one_thing_of_its_window(stage: str, window: int) -> None:
    net = StageNet(stage)
    net.initialize()
    shapes = [output.shape for output in net(mx.nd.zeros((3, 3, window, window)))]
    assert shapes == [(3, 1), (3, 1, 4), (3, 1, 10)]


@given(st.integers(0, 10_000))
def test_the_hardest_seven_of_ten_windows_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    kinds = random.choice([FACE, PART, BACKGROUND, UNUSED], count).astype(np.int8)
    known = (kinds == FACE) & (random.random(count) < 0.5)
    empty = np.zeros((count, 0))
    samples = WindowSamples(empty, kinds, empty, empty, known)
    logits = random.normal(0, 3, count).astype(np.float32)
    weights = weigh(logits, samples)
    losses = np.log1p(np.exp(np.where(kinds == FACE, -logits, logits).astype(float)))
    classed = np.isin(kinds, (FACE, BACKGROUND))
    counts = weights[:, 0] > 0
    assert not counts[~classed].any()
    if classed.any():
        assert counts.sum() == max(1, round(0.7 * classed.sum()))
        assert losses[counts].min() >= losses[classed & ~counts].max(initial=0) - 1e-6
    assert ((weights[:, 1] > 0) == np.isin(kinds, (FACE, PART))).all()
    assert ((weights[:, 2] > 0) == known).all()
    assert np.isin(weights.sum(axis=0).round(5), (0, 1)).all()


def test_losses_are_those_of_their_formulas() -> None:
    random = np.random.default_rng(0)
    logits, boxes, landmarks = (
        random.normal(0, 5, (6, 1)),
        random.normal(size=(6, 1, 4)),
        random.normal(size=(6, 1, 10)),
    )
    faces, box_targets, points = random.integers(0, 2, 6), random.normal(size=(6, 4)), random.normal(size=(6, 10))
    weights = random.random((6, 3))
    arguments = (logits, boxes, landmarks, faces, box_targets, points, weights)
    found = [loss.asnumpy() for loss in StageLoss()(*(mx.nd.array(array) for array in arguments))]
    probability = 1 / (1 + np.exp(-logits[:, 0]))
    expected = [
        -np.log(np.where(faces, probability, 1 - probability)) * weights[:, 0],
        ((boxes[:, 0] - box_targets) ** 2).mean(axis=1) * weights[:, 1],
        ((landmarks[:, 0] - points) ** 2).mean(axis=1) * weights[:, 2],
    ]
    for got, wanted in zip(found, expected, strict=True):
        assert got == pytest.approx(wanted, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("progress", "learning"), [(0.0, 0), (0.33, 0), (0.34, 1), (0.99, 2)])
def test_only_the_net_whose_turn_it_is_changes(batch: DetectionBatch, progress: float, learning: int) -> None:
    engine = MtcnnEngine(PARAMETERS, CPU)
    before = engine.state()
    outcome = engine.step(batch, 5, 1e-3, progress)
    after = engine.state()
    assert np.isfinite([outcome.loss, outcome.gradient_norm]).all()
    assert outcome.loss == pytest.approx(sum(outcome.measures[f"{task}_loss"] for task in ("class", "box", "landmark")))
    changed = {name.split(".")[1] for name in before if name.startswith("net/") and (before[name] != after[name]).any()}
    assert changed == {str(learning)}


@pytest.mark.slow
def test_the_loss_of_each_net_falls(batch: DetectionBatch) -> None:
    engine = MtcnnEngine(PARAMETERS, CPU)
    for stage in range(len(STAGES)):
        losses = [engine.step(batch, step, 1e-3, stage / 3 + 0.01).loss for step in range(15)]
        assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:3])


def test_a_run_that_goes_on_is_bit_identical(batch: DetectionBatch) -> None:
    engine = MtcnnEngine(PARAMETERS, CPU)
    turns = [0.1, 0.4, 0.5, 0.7, 0.9]
    for step, progress in enumerate(turns[:3]):
        engine.step(batch, step, 1e-3, progress)
    other = MtcnnEngine(PARAMETERS.model_copy(update={"seed": 9}), CPU)
    other._parameters = PARAMETERS
    other.load_state(engine.state())
    for step, progress in enumerate(turns[3:], 3):
        assert engine.step(batch, step, 1e-3, progress) == other.step(batch, step, 1e-3, progress)
    one, two = engine.state(), other.state()
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_a_run_is_published_as_a_cascade(photographs: Path, tmp_path: Path) -> None:
    result = train_detection(
        photographs, tmp_path / "run", PARAMETERS, lambda p: MtcnnEngine(p, CPU), {"mxnet": "test"}
    )
    assert result is not None
    assert result.step == 6
    detector = open_detector(str(tmp_path / "run"), score_threshold=0.0)
    assert isinstance(detector, MtcnnDetector)
    assert next(metric.name for metric in detector.description.metrics).startswith("val_ap")
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    found = detector.detect(image)
    assert found.landmarks is not None
    assert len(found.landmarks) == len(found)


@pytest.mark.parametrize("number", range(len(STAGES)))
def test_the_first_update_of_each_net_is_no_larger_than_the_rate(batch: DetectionBatch, number: int) -> None:
    """Adam's first update is the rate where it is corrected for the updates of this net, not for those of the run."""
    engine = MtcnnEngine(PARAMETERS, CPU)
    step, total = 300 * number, 900
    before = {name: parameter.data().asnumpy() for name, parameter in engine._named.items()}
    engine.step(batch, step, 1e-3, step / total)
    changes = [np.abs(p.data().asnumpy() - before[name]).max() for name, p in engine._named.items() if "stages" in name]
    assert 0 < max(changes) <= 1.01e-3
