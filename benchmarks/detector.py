"""What `facejobs detect` costs for each photograph, beside the bare ONNX Runtime call on a ready input.

Of photographs with 320, 640 and 1280 pixels a side as JPEG files; the model is an untrained RetinaFace with
mobilenet0.25, or the one given. Its threshold is set so that 100 anchors count as faces, as in a picture of a crowd.
  detect  all that the command does from the first photograph on, two of them at once as it does: read, decode, pad,
          normalise, run, decode anchors, suppress, print (to /dev/null)
  bare    `session.run` on one float32 array in memory, as often
Both take turns; the median over the rounds of their ratio counts.

Claim: at most 1.15 at each size. Exit code 1 if it does not hold.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from facejobs.cli.detect import print_detections
from facejobs.data.detection.detector_description import (
    Anchors,
    DetectionDescription,
    DetectionOutputs,
    PhotographInput,
)
from facejobs.data.detection.photograph_files import threads_of_each
from facejobs.data.detection.prediction import DecodingSettings
from facejobs.data.model_description import GRAPH_NAME
from facejobs.data.model_folder import describe_files, find_model_folder, write_description
from facejobs.inference.detector import OnnxDetector, open_detector
from facejobs.inference.net import open_net
from facejobs.inference.onnx_graph import OnnxGraph
from facejobs.inference.pixels import network_input

SIDES = {320: 40, 640: 16, 1280: 6}
"""Pixels a side, and photographs a turn."""
FACES = 100
CLAIM = 1.15


def draw_photograph(side: int, seed: int) -> NDArray[np.uint8]:
    """Noise whose spectrum falls as that of photographs does."""
    random = np.random.default_rng(seed)
    image = np.full((side, side, 3), 120, np.float32)
    for shrink, strength in ((32, 45), (12, 25), (6, 14), (3, 6), (1, 3)):
        grain = random.normal(0, strength, (side // shrink + 1, side // shrink + 1, 3)).astype(np.float32)
        image += cv2.resize(grain, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


def publish_untrained(folder: Path) -> Path:
    """Write a model with weights as they are drawn."""
    from facejobs.engines.mxnet.detection.engine import DetectionEngine
    from facejobs.training.detection_parameters import DetectionParameters

    DetectionEngine(DetectionParameters(backbone="mobilenet0.25")).export(folder)
    description = DetectionDescription(
        detector="retinaface",
        backbone="mobilenet0.25",
        input=PhotographInput(name="images", multiple=32),
        outputs=DetectionOutputs(scores="scores", boxes="boxes", landmarks="landmarks"),
        anchors=Anchors(strides=(8, 16, 32), sizes=((16, 32), (64, 128), (256, 512)), variances=(0.1, 0.2)),
        score_threshold=0.5,
        nms_iou=0.4,
        files=describe_files(folder, [GRAPH_NAME]),
    )
    write_description(folder, description)
    return folder


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(detector: OnnxDetector, bare_graph: OnnxGraph, folder: Path, side: int, rounds: int) -> float:
    """Print the medians at one size and return the ratio; `bare_graph` has all cores."""
    count = SIDES[side]
    image = draw_photograph(side, 0)
    paths = [folder / f"{side}-{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        drawn = draw_photograph(side, number)
        path.write_bytes(simplejpeg.encode_jpeg(drawn, quality=85, colorspace="RGB", colorsubsampling="420"))
    threshold = float(np.sort(detector.forward(image[None]).scores[0])[-FACES])
    detector.settings = DecodingSettings(threshold, detector.settings.nms_iou)
    tensor = detector.description.input
    ready = {tensor.name: network_input(image[None], tensor.mean, tensor.scale)}

    def bare() -> None:
        for _ in range(count):
            bare_graph.run(ready)

    def detect() -> None:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            print_detections(detector, paths, as_json=True)

    bare()
    detect()
    turns = []
    for number in range(rounds):
        # Each goes first in every other round.
        order = (bare, detect) if number % 2 else (detect, bare)
        taken = {work: seconds(work) / count for work in order}
        turns.append((taken[bare], taken[detect]))
    ratio = statistics.median(whole / run for run, whole in turns)
    milliseconds = [statistics.median(column) * 1e3 for column in zip(*turns, strict=True)]
    print(f"{side:6}{milliseconds[0]:12.2f}{milliseconds[1]:14.2f}{ratio:9.3f}", flush=True)
    return ratio


def main() -> int:
    """Measure, print a table and, last, the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a published detector, or the output of a run; default: untrained")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = find_model_folder(options.model) if options.model else publish_untrained(Path(folder))
        detector = open_detector(str(model), threads=threads_of_each(max(SIDES.values())))
        assert isinstance(detector, OnnxDetector), "MTCNN calls ONNX Runtime many times for a photograph"
        bare_graph = open_net(detector.graph.path, detector.description, None)
        print(f"{'pixels':>6}{'bare (ms)':>12}{'detect (ms)':>14}{'ratio':>9}   (medians of {options.rounds} rounds)")
        ratios = {side: compare(detector, bare_graph, Path(folder), side, options.rounds) for side in SIDES}
    print("ratio  " + "  ".join(f"detect/bare at {side} {ratio:.3f}" for side, ratio in ratios.items()))
    return int(max(ratios.values()) > CLAIM)


if __name__ == "__main__":
    sys.exit(main())
