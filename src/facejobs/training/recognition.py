"""A recognition run from data to published model."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs import __version__
from facejobs.data.errors import DataError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.fingerprint import fingerprint
from facejobs.data.normalization import IMAGE_SIZE
from facejobs.data.pipeline import Augmentation, Batch, TrainingBatches
from facejobs.training.distributed.group import Alone, WorkerGroup
from facejobs.training.engine import Engine
from facejobs.training.errors import ParameterError
from facejobs.training.loop import LoopResult, Metric, TrainingLoop
from facejobs.training.progress import Progress
from facejobs.training.publish import publish_model
from facejobs.training.recognition_parameters import RecognitionParameters
from facejobs.training.run_folder import RunFolder
from facejobs.training.verification_sets import Measured, as_metrics, choose_sets, measure

log = logging.getLogger(__name__)

# MXNet counts the elements of a tensor in 32 bits with a sign.
_TENSOR_ELEMENTS = 2**31


class RecognitionEngine(Engine[Batch], Protocol):
    """An engine that embeds and exports."""

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings (N, E) float32 of uint8 RGB images (N, H, W, 3)."""

    def export(self, folder: Path) -> None:
        """Write model.onnx, proven equal to the net, and the engine's own files."""


def train_recognition(
    data: Path,
    output: Path,
    parameters: RecognitionParameters,
    make_engine: Callable[[RecognitionParameters, int], RecognitionEngine],
    software: dict[str, str],
    group: WorkerGroup | None = None,
) -> LoopResult | None:
    """Train, or go on training, and publish the model into `output/model`.

    Of several workers in a `group` each calls this; the first one alone reads and writes `output`. Returns None if the
    run in `output` was complete already. Raises DataError, ParameterError, RunFolderError, DivergedError, and what the
    engine raises.
    """
    group = group or Alone()
    records = FaceRecordFile.open(data)
    _check_usable(records, parameters)
    facts = {
        "path": str(records.path),
        "fingerprint": fingerprint(records.path),
        "images": len(records),
        "identities": records.num_classes,
    }
    if group.rank > 0:
        return _train_share(records, facts, parameters, make_engine, group)
    with RunFolder(output, "recognition", parameters, facts) as folder:
        group.broadcast(_agreement(parameters, facts, complete=folder.complete))
        if folder.complete:
            log.info("%s is complete: its model is in %s", output, folder.model)
            return None
        sets = choose_sets(data, parameters.eval_data, folder.recorded.get("verification"))
        if not sets:
            log.warning("no verification set found beside %s: name one with --eval-data to measure accuracy", data)
        latest: list[Measured] = []

        def evaluate(check_stop: Callable[[], None], progress: Progress) -> list[Metric]:
            latest[:] = measure(sets, engine.embed, check_stop, progress)
            return as_metrics(latest)

        with _batches(records, parameters, group) as batches:
            engine = make_engine(parameters, records.num_classes)
            folder.record({"facejobs": __version__, **software}, {pairs.name: pairs.protocol for pairs in sets})
            loop = TrainingLoop(
                engine,
                batches,
                parameters,
                folder,
                evaluate=evaluate,
                describe=_describe,
                group=group,
            )
            log.info("%d images of %d identities, %d steps", len(records), records.num_classes, loop.total_steps)
            result = loop.run()
            _report_skipped(batches)
        if not result.stopped_by_signal:
            best = loop.standing.best_step or result.step
            if best != result.step:
                engine.load_state(folder.checkpoints.load(best).arrays)
                log.info("measuring the best checkpoint, that of step %d, to publish it", best)
                with Progress(result.step, result.step) as progress:
                    evaluate(lambda: None, progress)
            publish_model(folder, engine, parameters, facts, latest, best)
        return result


def _agreement(parameters: RecognitionParameters, facts: dict[str, Any], complete: bool) -> dict[str, Any]:
    """What the first worker tells the others before all begin."""
    return {"parameters": parameters.digest(), "data": facts["fingerprint"], "complete": complete}


def _train_share(
    records: FaceRecordFile,
    facts: dict[str, Any],
    parameters: RecognitionParameters,
    make_engine: Callable[[RecognitionParameters, int], RecognitionEngine],
    group: WorkerGroup,
) -> LoopResult | None:
    """What a worker that is not the first does: its part of every batch, with the first one's state."""
    first = group.broadcast(None)
    if first["complete"]:
        return None
    if first["parameters"] != parameters.digest():
        raise ParameterError(f"worker {group.rank} was given other parameters than the first one: give all the same")
    if first["data"] != facts["fingerprint"]:
        raise DataError(
            f"{records.path}: worker {group.rank} has other data here than the first one; all need the same files"
        )
    with _batches(records, parameters, group) as batches:
        # Initial weights come from the first worker, like a checkpoint: their file need not be here.
        engine = make_engine(parameters.model_copy(update={"init": None}), records.num_classes)
        loop = TrainingLoop(engine, batches, parameters, None, lambda *_: [], describe=_describe, group=group)
        result = loop.run()
        _report_skipped(batches)
    return result


def _batches(records: FaceRecordFile, parameters: RecognitionParameters, group: WorkerGroup) -> TrainingBatches:
    augmentation = Augmentation(
        mirror=parameters.mirror,
        shift=parameters.shift,
        brightness=parameters.brightness,
        contrast=parameters.contrast,
        colour=parameters.colour,
    )
    return TrainingBatches(
        records,
        parameters.batch_size,
        parameters.seed,
        augmentation,
        parameters.threads,
        slots=group.share(parameters.batch_size),
    )


def _check_usable(records: FaceRecordFile, parameters: RecognitionParameters) -> None:
    declared = records.path.parent / "property"
    if records.image_size != (IMAGE_SIZE, IMAGE_SIZE):
        raise DataError(
            f"{declared} says images are {records.image_size[0]}x{records.image_size[1]}; "
            f"recognisers are trained on aligned faces of {IMAGE_SIZE}x{IMAGE_SIZE}"
        )
    if records.num_classes < 2:
        raise DataError(
            f"{declared} says {records.num_classes} identity: a recogniser learns from the "
            "differences between people, so at least two are needed"
        )
    if records.num_classes * parameters.embedding_size >= _TENSOR_ELEMENTS:
        raise DataError(
            f"{declared} says {records.num_classes:,} identities: with --embedding-size {parameters.embedding_size} "
            f"their weights are more than the {_TENSOR_ELEMENTS - 1:,} numbers of the largest tensor; correct property "
            f"(there are {len(records):,} images), or choose a smaller --embedding-size"
        )
    if records.num_classes > len(records):
        log.warning(
            "%s says %d identities, but there are only %d images: most of the head has nothing to learn from",
            declared,
            records.num_classes,
            len(records),
        )


def _describe(batch: Batch) -> dict[str, Any]:
    return {"record_numbers": batch.keys.tolist(), "labels": batch.labels.tolist()}


def _report_skipped(batches: TrainingBatches) -> None:
    for key, reason in sorted(batches.skipped.items()):
        log.warning("record %d was skipped: %s", key, reason)
