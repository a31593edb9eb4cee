"""What the loop costs over the bare step of detector training, side by side in one run, and images/s by image size.

    python benchmarks/detector_training.py [--data DIR] [--size 640] [--batch-size 16] [--rounds 3] [--steps 12]

First a table: training images/s of the bare step on one batch in memory, by size of the square image. Then rounds of
the bare step and the whole loop (photographs, crops, targets, journal, checkpoints) in turns. The last line is the
ratio of the loop's speed to the bare step's.

Claim: at least 0.95 at 640 pixels, the default of training. Exit code 1 if it does not hold. With a net as light as
mobilenet0.25 the photographs, which are as large whatever is cut out of them, weigh more the smaller the images are:
0.93 at 320 pixels on two cores.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from facejobs.engines.mxnet.runtime import load_mxnet

load_mxnet("")

from facejobs.data.detection.detection_batches import DetectionBatch, DetectionBatches  # noqa: E402
from facejobs.data.detection.detection_split import DETECTION_DATA, DetectionSplit  # noqa: E402
from facejobs.data.detection.photo_augmentation import PhotoAugmentation  # noqa: E402
from facejobs.data.synthetic.detection_set import PhotographCounts, write_synthetic_detection  # noqa: E402
from facejobs.engines.mxnet.detection.engine import DetectionEngine  # noqa: E402
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters  # noqa: E402
from facejobs.training.loop import TrainingLoop  # noqa: E402
from facejobs.training.run_folder import RunFolder  # noqa: E402

CLAIM = 0.95
SIZES = (320, 480, 640)
WARM_UP = 2


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def batches_of(split: DetectionSplit, parameters: DetectionParameters) -> DetectionBatches:
    """The input pipeline of a run."""
    return DetectionBatches(
        split,
        parameters.batch_size,
        parameters.seed,
        PhotoAugmentation(),
        LAYOUT,
        parameters.image_sizes,
        parameters.threads,
    )


def one_batch(split: DetectionSplit, parameters: DetectionParameters) -> DetectionBatch:
    """A batch that stays in memory: nobody asks for the next."""
    with batches_of(split, parameters) as batches:
        return next(batches.start(0))


def run_steps(engine: DetectionEngine, batch: DetectionBatch, count: int) -> None:
    """`count` training steps on one batch."""
    for step in range(count):
        engine.step(batch, step, 1e-4, 0.0)


def run_loop(engine: DetectionEngine, split: DetectionSplit, parameters: DetectionParameters) -> None:
    """A whole run of the loop into a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RunFolder(Path(folder) / "out", "detection", parameters, {}) as run,
        batches_of(split, parameters) as batches,
    ):
        TrainingLoop(engine, batches, parameters, run, lambda _stop, _progress: [], lambda _batch: {}).run()


def chosen(size: int, batch_size: int, steps: int) -> DetectionParameters:
    """Parameters of a run that only takes its time."""
    return DetectionParameters(
        image_sizes=(size,),
        batch_size=batch_size,
        max_steps=steps,
        warmup_steps=0,
        optimizer="adam",
        lr=1e-4,
        checkpoint_every=10**6,
    )


def print_speeds(split: DetectionSplit, batch_size: int, steps: int) -> None:
    """Images/s of the bare step at each size; one engine goes through all, as in training at several sizes."""
    engine = DetectionEngine(chosen(SIZES[0], batch_size, steps))
    print(f"{'pixels':>6}{'images/s':>10}   (batches of {batch_size}, bare step)")
    for size in SIZES:
        batch = one_batch(split, chosen(size, batch_size, steps))
        run_steps(engine, batch, WARM_UP)
        taken = seconds(lambda batch=batch: run_steps(engine, batch, steps))
        print(f"{size:6}{steps * batch_size / taken:10.1f}", flush=True)


def loop_ratio(split: DetectionSplit, parameters: DetectionParameters, rounds: int) -> float:
    """Median speed of the loop over that of the bare step, rounds interleaved."""
    engine = DetectionEngine(parameters)
    batch = one_batch(split, parameters)
    run_steps(engine, batch, WARM_UP)
    steps = parameters.max_steps or 0
    images = steps * parameters.batch_size
    ratios = []
    for number in range(rounds):
        bare = seconds(lambda: run_steps(engine, batch, steps))
        whole = seconds(lambda: run_loop(engine, split, parameters))
        ratios.append(bare / whole)
        print(
            f"round {number + 1}: bare step {images / bare:.1f} images/s, loop {images / whole:.1f} images/s",
            flush=True,
        )
    return statistics.median(ratios)


def draw_photographs(folder: Path) -> Path:
    """Drawn photographs, enough for some batches."""
    write_synthetic_detection(folder, PhotographCounts(train=64, val=1, test=1), seed=0, processes=2)
    return folder / DETECTION_DATA / "train"


def main() -> int:
    """Measure, print a table and, last, the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a split with images/ and label.txt; default: drawn photographs")
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        split = DetectionSplit.open(options.data or draw_photographs(Path(folder) / "photographs"))
        print_speeds(split, options.batch_size, max(2, options.steps // 3))
        ratio = loop_ratio(split, chosen(options.size, options.batch_size, options.steps), options.rounds)
    print(f"ratio loop/bare step {ratio:.3f}")
    return int(ratio < CLAIM)


if __name__ == "__main__":
    sys.exit(main())
