"""Publishes the model of a finished run: all of it, proven, or nothing."""

import logging
import shutil
from pathlib import Path
from typing import Any, Protocol

from facejobs import __version__
from facejobs.data.model_artifact import (
    Metric,
    ModelInput,
    ModelOutput,
    OperatingPoint,
    RecognitionDescription,
    describe_files,
    write_description,
)
from facejobs.data.normalization import IMAGE_SIZE, PIXEL_MEAN, PIXEL_SCALE
from facejobs.evaluation.pair_scores import write_pair_scores
from facejobs.evaluation.roc_picture import draw_roc
from facejobs.training.recognition_parameters import RecognitionParameters
from facejobs.training.run_folder import RunFolder
from facejobs.training.verification_sets import Measured, named_metrics

log = logging.getLogger(__name__)


class Exporter(Protocol):
    """The part of an engine that publishing needs."""

    def export(self, folder: Path) -> None:
        """Write model.onnx and the engine's own files; raises if the export is not equal to the net."""


def publish_model(
    folder: RunFolder,
    engine: Exporter,
    parameters: RecognitionParameters,
    data: dict[str, Any],
    results: list[Measured],
    step: int,
) -> None:
    """Export the engine's net of `step`, describe it with its measured results, and rename the whole into place.

    The ROC curve and the pair scores of every verification set are beside it then.
    """
    temporary = folder.path / ".model-writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        engine.export(temporary)
        for pairs, result in results:
            draw_roc(result, folder.path / f"roc-{pairs.name}.png")
            write_pair_scores(result, folder.path / "scores" / f"{pairs.name}.json")
        write_description(temporary, _describe(temporary, parameters, data, results, step))
        temporary.rename(folder.model)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    log.info("the model of step %d is in %s", step, folder.model)


def _describe(
    folder: Path, parameters: RecognitionParameters, data: dict[str, Any], results: list[Measured], step: int
) -> RecognitionDescription:
    return RecognitionDescription(
        input=ModelInput(name="images", height=IMAGE_SIZE, width=IMAGE_SIZE, mean=PIXEL_MEAN, scale=PIXEL_SCALE),
        output=ModelOutput(name="embeddings", embedding_size=parameters.embedding_size),
        backbone=parameters.backbone,
        loss=parameters.loss,
        training={
            "facejobs": __version__,
            "step": step,
            "parameters_sha256": parameters.digest(),
            "data": {name: value for name, value in data.items() if name != "path"},
        },
        metrics=tuple(Metric(**metric) for metric in named_metrics(results)),
        thresholds=tuple(OperatingPoint(**row) for _, result in results for row in result.operating_points()),
        files=describe_files(folder, [path.name for path in sorted(folder.iterdir())]),
    )
