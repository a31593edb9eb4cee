"""What the loop costs over the bare step, and what our PReLU gains over MXNet's, each side by side in one run.

    python benchmarks/training_step.py [--data DIR] [--rounds 3] [--steps 12]

The last lines are ratios: whole loop (records, decoding, journal, checkpoints) over the same step on one batch in
memory, and training steps with our PReLU over the same net with nn.PReLU.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from facejobs.engines.mxnet.runtime import load_mxnet

load_mxnet("")

import mxnet as mx  # noqa: E402

from facejobs.data.face_records import FaceRecordFile  # noqa: E402
from facejobs.data.pipeline import Augmentation, Batch, TrainingBatches  # noqa: E402
from facejobs.data.synthetic.dataset import SyntheticCounts, write_synthetic  # noqa: E402
from facejobs.engines.mxnet.recognition import RecognitionEngine  # noqa: E402
from facejobs.training.loop import TrainingLoop  # noqa: E402
from facejobs.training.recognition_parameters import RecognitionParameters  # noqa: E402
from facejobs.training.run_folder import RunFolder  # noqa: E402

BACKBONES = "facejobs.engines.mxnet.backbones"


def mxnet_prelu(channels: int) -> mx.gluon.nn.PReLU:
    """MXNet's PReLU with the signature of ours."""
    return mx.gluon.nn.PReLU(in_channels=channels)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_batch(records: FaceRecordFile, parameters: RecognitionParameters) -> Batch:
    """A batch that stays in memory."""
    with TrainingBatches(records, parameters.batch_size, 1, Augmentation(), 1) as batches:
        batch = next(batches.start(0))
        batch.images = batch.images.copy()
        return batch


def run_steps(engine: RecognitionEngine, batch: Batch, count: int) -> None:
    """`count` training steps on one batch."""
    for step in range(count):
        engine.step(batch, step, 0.01, 0.0)


def run_loop(engine: RecognitionEngine, records: FaceRecordFile, parameters: RecognitionParameters) -> None:
    """A whole run of the loop into a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RunFolder(Path(folder) / "out", "recognition", parameters, {}) as run,
        TrainingBatches(records, parameters.batch_size, 1, Augmentation(), parameters.threads) as batches,
    ):
        TrainingLoop(engine, batches, parameters, run, lambda _stop, _progress: [], lambda _batch: {}).run()


def loop_ratio(records: FaceRecordFile, rounds: int, steps: int) -> float:
    """Median speed of the loop over that of the bare step, rounds interleaved."""
    parameters = RecognitionParameters(max_steps=steps, warmup_steps=0, lr=0.01, checkpoint_every=10**6)
    engine = RecognitionEngine(parameters, records.num_classes)
    batch = one_batch(records, parameters)
    run_steps(engine, batch, 2)
    bare, whole = [], []
    for number in range(rounds):
        bare.append(seconds(lambda: run_steps(engine, batch, steps)))
        whole.append(seconds(lambda: run_loop(engine, records, parameters)))
        images = steps * parameters.batch_size
        print(f"round {number + 1}: bare step {images / bare[-1]:.1f} images/s, loop {images / whole[-1]:.1f} images/s")
    return statistics.median(bare) / statistics.median(whole)


def prelu_ratio(backbone: str, batch_size: int, records: FaceRecordFile, rounds: int) -> float:
    """Median speed of a step with our PReLU over one with nn.PReLU, rounds interleaved."""
    parameters = RecognitionParameters(backbone=backbone, batch_size=batch_size)
    batch = one_batch(records, parameters)
    ours = RecognitionEngine(parameters, records.num_classes)
    with patch(f"{BACKBONES}.{backbone.rstrip('0123456789')}.PReLU", mxnet_prelu):
        theirs = RecognitionEngine(parameters, records.num_classes)
    times: dict[str, list[float]] = {"ours": [], "nn.PReLU": []}
    for number in range(rounds + 1):
        for name, engine in (("ours", ours), ("nn.PReLU", theirs)):
            taken = seconds(lambda engine=engine: run_steps(engine, batch, 1))
            if number:
                times[name].append(taken)
                print(f"{backbone} {name}: {batch_size / taken:.1f} images/s")
    return statistics.median(times["nn.PReLU"]) / statistics.median(times["ours"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with cele.rec, cele.idx and property; default: drawn faces")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments.data or draw_faces(Path(folder) / "faces"), arguments.rounds, arguments.steps)


def draw_faces(folder: Path) -> Path:
    """Drawn faces, enough for some batches."""
    write_synthetic(folder, SyntheticCounts(identities=20, images=20, photographs=0), seed=0, processes=2)
    return folder / "recognition_train_data"


def measure(data: Path, rounds: int, steps: int) -> None:
    """Print every ratio."""
    records = FaceRecordFile.open(data)
    loop = loop_ratio(records, rounds, steps)
    mobilefacenet = prelu_ratio("mobilefacenet", 64, records, rounds)
    iresnet50 = prelu_ratio("iresnet50", 16, records, rounds)
    print(f"ratio loop/bare step {loop:.3f}")
    print(f"ratio PReLU ours/nn.PReLU mobilefacenet {mobilefacenet:.2f} iresnet50 {iresnet50:.2f}")


if __name__ == "__main__":
    main()
