"""A published model made of somebody else's ONNX file."""

from pathlib import Path
from typing import Literal

import numpy as np

from facejobs import __version__
from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.errors import ModelError
from facejobs.data.model_description import DESCRIPTION_NAME, GRAPH_NAME, RecognitionDescription
from facejobs.data.model_folder import ModelDescription, describe_files, write_description
from facejobs.data.normalization import IMAGE_SIZE
from facejobs.data.reading import reading
from facejobs.inference.detector import open_published
from facejobs.inference.detector_import import examine_detector
from facejobs.inference.embedder import Embedder
from facejobs.inference.foreign_graph import ForeignGraph
from facejobs.inference.import_choices import Findings, ImportChoices
from facejobs.inference.recogniser_import import examine_recogniser

Task = Literal["detection", "recognition"]

_MOST_BYTES = 2**31
"""A graph with its weights in one file is never larger: protobuf allows no more."""
_SCORE_THRESHOLD = 0.5
_NMS_IOU = 0.4


def import_model(source: Path, folder: Path, task: Task, choices: ImportChoices) -> tuple[ModelDescription, Findings]:
    """Write the ONNX file `source` and its model.json into the empty directory `folder`; return what was found out.

    The graph is run on noise to see what it gives, and once more as model.json says. Raises ModelError where it is no
    model of `task` of a kind that is known, and DataError where `choices` are out of range.
    """
    content = _read(source)
    if source.name == GRAPH_NAME and (source.parent / DESCRIPTION_NAME).is_file():
        raise ModelError(f"{source} belongs to the model in {source.parent}, which can be used as it is")
    graph = ForeignGraph.open(source, content)
    findings = Findings()
    (folder / GRAPH_NAME).write_bytes(content)
    common = {
        "backbone": choices.name or source.stem,
        "training": {"imported_from": source.name, "facejobs": __version__},
        "files": describe_files(folder, [GRAPH_NAME]),
    }
    description: ModelDescription
    if task == "recognition":
        tensor, output = examine_recogniser(graph, choices, findings)
        description = RecognitionDescription(**common, input=tensor, output=output)
    else:
        if choices.score_threshold is None:
            findings.assume(f"--score-threshold {_SCORE_THRESHOLD}")
        description = DetectionDescription(
            **common,
            **examine_detector(graph, choices, findings),
            score_threshold=_SCORE_THRESHOLD if choices.score_threshold is None else choices.score_threshold,
            nms_iou=_NMS_IOU if choices.nms_iou is None else choices.nms_iou,
        )
    write_description(folder, description)
    _run_once(folder, task)
    return description, findings


def _read(source: Path) -> bytes:
    try:
        with reading(source, ModelError):
            size = source.stat().st_size
            if size >= _MOST_BYTES:
                raise ModelError(f"{source} is {size:,} bytes long: too large to be an ONNX file with its weights")
            return source.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{source}: no such ONNX file") from None


def _run_once(folder: Path, task: Task) -> None:
    """Use the published model as everybody will."""
    if task == "recognition":
        Embedder.load(folder).embed(np.full((2, IMAGE_SIZE, IMAGE_SIZE, 3), 90, np.uint8))
    else:
        open_published(folder).detect(np.full((300, 200, 3), 90, np.uint8))
