"""Faces per second from photographs to embeddings, beside the bare ONNX Runtime calls of the same work.

    python benchmarks/recognise.py [--photographs DIR --detector DIR --recogniser DIR] [--rounds 7] [--count 48]

Of JPEG files of 640 x 480 pixels with several faces each; the models are an untrained RetinaFace with mobilenet0.25 and
an untrained MobileFaceNet, or those given.
  pipeline  FacePipeline.describe_files, from the paths to unit embeddings: read, decode, detect, align, embed
  bare      every call of ONNX Runtime that the pipeline makes, on the same arrays in memory, one after the other, each
            with all cores
Both take turns; the median over the rounds of their ratio counts.

Claim: the pipeline does at least 0.85 of the faces a second of the bare calls. Exit code 1 if it does not.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import simplejpeg
from detector import draw_photograph, publish_untrained
from numpy.typing import NDArray

from facejobs.data.detection.photograph_files import find_photographs
from facejobs.data.detection.photographs import read_photograph
from facejobs.data.errors import DataError
from facejobs.data.model_description import GRAPH_NAME, ModelInput, ModelOutput, RecognitionDescription
from facejobs.data.model_folder import describe_files, write_description
from facejobs.inference.detector import open_published
from facejobs.inference.face_pipeline import FacePipeline
from facejobs.inference.onnx_graph import OnnxGraph, open_session

HEIGHT, WIDTH = 480, 640
DETECTIONS = 4
"""Detections a photograph of an untrained detector, about."""
CLAIM = 0.85

CORES = len(os.sched_getaffinity(0))

Call = tuple[Path, Mapping[str, NDArray[np.float32]]]


def publish_untrained_recogniser(folder: Path) -> Path:
    """Write a recogniser with weights as they are drawn."""
    from facejobs.engines.mxnet.recognition import RecognitionEngine
    from facejobs.training.recognition_parameters import RecognitionParameters

    parameters = RecognitionParameters(backbone="mobilefacenet")
    folder.mkdir()
    RecognitionEngine(parameters, 2).export(folder)
    description = RecognitionDescription(
        input=ModelInput(name="images", height=112, width=112),
        output=ModelOutput(name="embeddings", embedding_size=parameters.embedding_size),
        backbone=parameters.backbone,
        files=describe_files(folder, [GRAPH_NAME]),
    )
    write_description(folder, description)
    return folder


def draw_photographs(folder: Path, count: int) -> Path:
    """Write `count` JPEG files."""
    folder.mkdir()
    for number in range(count):
        drawn = draw_photograph(max(HEIGHT, WIDTH), number)[:HEIGHT]
        encoded = simplejpeg.encode_jpeg(np.ascontiguousarray(drawn), quality=85, colorspace="RGB")
        (folder / f"{number:03}.jpg").write_bytes(encoded)
    return folder


def threshold_of(folder: Path, paths: list[Path]) -> float:
    """The score that an untrained detector gives about `DETECTIONS` boxes a photograph."""
    detector, shown = open_published(folder, score_threshold=0.0), paths[:4]
    scores = np.concatenate([detector.detect(read_photograph(path)).scores for path in shown])
    return float(np.sort(scores)[-DETECTIONS * len(shown)])


def describe_all(pipeline: FacePipeline, paths: list[Path]) -> int:
    """Describe the photographs; return how many faces they hold."""
    faces = 0
    for _, photograph in pipeline.describe_files(paths):
        if isinstance(photograph, DataError):
            raise photograph
        faces += len(photograph.faces)
    return faces


def record_calls(work: Callable[[], object]) -> list[Call]:
    """Return every call of ONNX Runtime that `work` makes."""
    calls: list[Call] = []
    run = OnnxGraph.run

    def recorded(graph: OnnxGraph, inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        calls.append((graph.path, inputs))
        return run(graph, inputs)

    with patch.object(OnnxGraph, "run", recorded):
        work()
    return calls


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(pipeline: FacePipeline, paths: list[Path], rounds: int) -> float:
    """Print the medians and return the ratio."""

    def whole() -> int:
        return describe_all(pipeline, paths)

    faces = whole()
    calls = record_calls(whole)
    sessions = {path: open_session(path, path.read_bytes(), CORES) for path, _ in calls}

    def bare() -> None:
        for path, inputs in calls:
            sessions[path].run(None, inputs)

    bare()

    turns = []
    for number in range(rounds):
        # Each goes first in every other round.
        order = (bare, whole) if number % 2 else (whole, bare)
        taken = {work: seconds(work) for work in order}
        turns.append((taken[bare], taken[whole]))
    print(f"{len(paths)} photographs, {faces} faces, {len(calls)} calls; medians of {rounds} rounds")
    for name, column in zip(("bare", "pipeline"), zip(*turns, strict=True), strict=True):
        print(f"{name:9}{faces / statistics.median(column):9.2f} faces/s", flush=True)
    return statistics.median(calls_alone / everything for calls_alone, everything in turns)


def main() -> int:
    """Measure, print a table and, last, the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder of photographs; default: drawn ones")
    parser.add_argument("--detector", type=Path, help="published detector; default: untrained")
    parser.add_argument("--recogniser", type=Path, help="published recogniser; default: untrained")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=48, help="photographs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = find_photographs(options.photographs or draw_photographs(folder / "photographs", options.count))
        paths = paths[: options.count]
        recogniser = options.recogniser or publish_untrained_recogniser(folder / "recogniser")
        (folder / "detector").mkdir()
        detector = options.detector or publish_untrained(folder / "detector")
        threshold = None if options.detector else threshold_of(detector, paths)
        ratio = compare(FacePipeline.open(detector, recogniser, score_threshold=threshold), paths, options.rounds)
    print(f"ratio  pipeline/bare {ratio:.3f}")
    return int(ratio < CLAIM)


if __name__ == "__main__":
    sys.exit(main())
