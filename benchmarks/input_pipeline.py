"""Images a second of the input pipeline, beside MXNet's own reader and beside nothing but decoding.

The contestants take turns on the same images with the same number of decoding threads:
  ours             `TrainingBatches` doing what ImageRecordIter does: shuffle and mirror (and draw colour jitter)
  ours shifting    the same with the default shift of up to 6 pixels, which ImageRecordIter has no counterpart for
  ImageRecordIter  `mx.io.ImageRecordIter` with shuffle and mirror (float32 batches, as users get by default), and
                   once more with `dtype="uint8"`, which spares it the conversion
  bare             the limit: the same JPEG bytes, already in memory, decoded into one buffer a thread
A round is one epoch of each, and nobody works outside their turn: ImageRecordIter decodes megabytes ahead of its user,
so that a reader left running between turns would be timed while handing out what it decoded during the others' turns.
Ours runs on but never more than a few batches ahead; they are taken before its time is. The median over the rounds
counts, since other work on the machine disturbs single rounds.

Claims: at least 1.0 times ImageRecordIter and 0.85 times the bare loop. Exit code 1 if one does not hold.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import mxnet as mx
import numpy as np
import simplejpeg

from facejobs.data.face_records import FaceRecordFile
from facejobs.data.image_record import pack_image_record
from facejobs.data.pipeline import Augmentation, TrainingBatches
from facejobs.data.recordio import RecordWriter

SIDE = 112
PREFETCH = 3
PAUSE = 0.1  # seconds; longer than ours needs to fill its prefetched batches
CLAIMS = {"ImageRecordIter": 1.0, "bare": 0.85}


class Contestant(NamedTuple):
    """One epoch, and what to do before its time is taken."""

    epoch: Callable[[], None]
    prepare: Callable[[], None] = lambda: None


def draw_photographs(count: int) -> Iterator[bytes]:
    """Yield JPEGs of noise whose spectrum falls as that of photographs does: about 5 KB, as aligned faces have."""
    random = np.random.default_rng(0)
    for _ in range(count):
        image = np.full((SIDE, SIDE, 3), 120, np.float32)
        for side, strength in ((4, 45), (9, 25), (20, 14), (45, 8), (SIDE, 3)):
            grain = random.normal(0, strength, (side, side, 3)).astype(np.float32)
            image += cv2.resize(grain, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        yield simplejpeg.encode_jpeg(pixels, quality=92, colorspace="RGB", colorsubsampling="420")


def images_of(directory: Path) -> Iterator[bytes]:
    """Yield the encoded images of a data set."""
    records = FaceRecordFile.open(directory)
    return (bytes(records.image(position).image) for position in range(len(records)))


def write_records(images: Iterator[bytes], directory: Path, batch_size: int) -> None:
    """Write whole batches of images and nothing else: ImageRecordIter fails on InsightFace's identity records."""
    encoded = list(images)
    with (directory / "images.rec").open("wb") as records, (directory / "images.idx").open("wb") as index:
        writer = RecordWriter(records, index)
        for key, image in enumerate(encoded[: len(encoded) // batch_size * batch_size]):
            writer.write(key, pack_image_record(float(key % 100), key, image))
    (directory / "property").write_text(f"100,{SIDE},{SIDE}\n")


def mxnet_contestant(directory: Path, batch_size: int, threads: int, dtype: str) -> Contestant:
    """Return what goes through one epoch of ImageRecordIter, waiting for every batch."""
    reader = mx.io.ImageRecordIter(
        path_imgrec=str(directory / "images.rec"),
        path_imgidx=str(directory / "images.idx"),
        data_shape=(3, SIDE, SIDE),
        batch_size=batch_size,
        shuffle=True,
        rand_mirror=True,
        preprocess_threads=threads,
        prefetch_buffer=PREFETCH,
        dtype=dtype,
        verbose=False,
    )

    def finish_epoch() -> None:
        for batch in reader:
            batch.data[0].wait_to_read()

    def epoch() -> None:
        reader.reset()
        finish_epoch()

    finish_epoch()
    return Contestant(epoch)


def our_contestant(batches: TrainingBatches) -> Contestant:
    """Return functions that take what is ready, and go through as many batches as an epoch has."""
    stream = batches.start(0)

    def take(count: int) -> None:
        for _ in range(count):
            next(stream)

    return Contestant(lambda: take(batches.steps_per_epoch), lambda: take(PREFETCH + 1))


def bare_contestant(directory: Path, threads: int) -> Contestant:
    """Return what decodes every image once, in a random order, and does nothing else."""
    images = list(images_of(directory))
    np.random.default_rng(1).shuffle(images)

    def decode(share: list[bytes]) -> None:
        buffer = np.empty((SIDE, SIDE, 3), np.uint8)
        for image in share:
            simplejpeg.decode_jpeg(image, "RGB", buffer=buffer)

    def epoch() -> None:
        workers = [threading.Thread(target=decode, args=(images[number::threads],)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return Contestant(epoch)


def measure(contestant: Contestant) -> tuple[float, float]:
    """Return (seconds, processor seconds) of one epoch."""
    contestant.prepare()
    wall, cpu = time.perf_counter(), time.process_time()
    contestant.epoch()
    return time.perf_counter() - wall, time.process_time() - cpu


def busy_threads(work: Callable[[], object]) -> int:
    """Count the threads of this process that use at least a fifth of what the busiest one does during `work`."""
    before = thread_seconds()
    work()
    used = sorted((seconds - before.get(thread, 0) for thread, seconds in thread_seconds().items()), reverse=True)
    return sum(seconds >= used[0] / 5 for seconds in used)


def thread_seconds() -> dict[str, float]:
    """Return the processor seconds of every thread of this process (Linux)."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = {}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        seconds[task.name] = (int(fields[11]) + int(fields[12])) / ticks
    return seconds


def main() -> int:
    """Measure, print a table and, last, the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data set of 112x112 JPEGs; default: noise drawn on the spot")
    parser.add_argument("--threads", type=int, help="decoding threads; default: what ImageRecordIter really uses")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        write_records(
            images_of(options.data) if options.data else draw_photographs(5000), directory, options.batch_size
        )
        return compare(directory, options)


def compare(directory: Path, options: argparse.Namespace) -> int:
    """Let the contestants take turns on the record file in `directory`."""
    allowed = options.threads or os.cpu_count() or 1
    reader = mxnet_contestant(directory, options.batch_size, allowed, "float32")
    used = busy_threads(reader.epoch)
    threads = options.threads or used
    print(f"ImageRecordIter was allowed {allowed} threads and kept {used} busy; ours and bare use {threads}")
    records = FaceRecordFile.open(directory)
    size = options.batch_size
    with (
        TrainingBatches(records, size, 0, Augmentation(shift=0), threads, PREFETCH) as plain,
        TrainingBatches(records, size, 0, Augmentation(), threads, PREFETCH) as shifting,
    ):
        contestants = {
            "ours": our_contestant(plain),
            "ours shifting": our_contestant(shifting),
            "ImageRecordIter": reader,
            "ImageRecordIter uint8": mxnet_contestant(directory, size, allowed, "uint8"),
            "bare": bare_contestant(directory, threads),
        }
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for number in range(options.rounds):
            # Every round begins with another contestant, so that none always follows the same one.
            names = list(contestants)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                seconds[name].append(measure(contestants[name]))
                time.sleep(PAUSE)
    return report(seconds, len(records))


def report(seconds: dict[str, list[tuple[float, float]]], count: int) -> int:
    """Print medians and ratios; return the exit code."""
    print(f"{'':24}{'images/s':>10}{'CPU us/image':>14}   (medians of {len(seconds['ours'])} rounds of {count} images)")
    for name, measured in seconds.items():
        wall = statistics.median(wall for wall, _ in measured)
        cpu = statistics.median(cpu for _, cpu in measured)
        print(f"{name:24}{count / wall:10.0f}{cpu / count * 1e6:14.1f}")

    def ratio(ours: str, other: str) -> float:
        """Median over the rounds of the other's time over ours: both of a round met the same disturbance."""
        pairs = zip(seconds[other], seconds[ours], strict=True)
        return statistics.median(theirs[0] / mine[0] for theirs, mine in pairs)

    others = [name for name in seconds if not name.startswith("ours")]
    print("ratio  " + "  ".join(f"ours shifting/{name} {ratio('ours shifting', name):.2f}" for name in others))
    print("ratio  " + "  ".join(f"ours/{name} {ratio('ours', name):.2f}" for name in others))
    return int(any(ratio("ours", name) < claim for name, claim in CLAIMS.items()))


if __name__ == "__main__":
    sys.exit(main())
