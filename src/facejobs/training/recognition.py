"""What is particular to a recognition run: its data, its batches, what it is measured on and what is published."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.fingerprint import fingerprint
from facejobs.data.model_description import ModelInput, ModelOutput, OperatingPoint, RecognitionDescription
from facejobs.data.normalization import IMAGE_SIZE, PIXEL_MEAN, PIXEL_SCALE
from facejobs.data.pipeline import Augmentation, Batch, TrainingBatches
from facejobs.training.data_kind import refuse_other_kind
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.loop import LoopResult
from facejobs.training.recognition_parameters import RecognitionParameters
from facejobs.training.run import ExportingEngine, MeasuredSets, train
from facejobs.training.verification_sets import MeasuredPairs, choose_sets

log = logging.getLogger(__name__)

# MXNet counts the elements of a tensor in 32 bits with a sign.
_TENSOR_ELEMENTS = 2**31


class RecognitionEngine(ExportingEngine[Batch], Protocol):
    """An engine that embeds."""

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings (N, E) float32 of uint8 RGB images (N, H, W, 3)."""


MakeEngine = Callable[[RecognitionParameters, int], RecognitionEngine]


def train_recognition(
    data: Path,
    output: Path,
    parameters: RecognitionParameters,
    make_engine: MakeEngine,
    software: dict[str, str],
    group: WorkerGroup | None = None,
) -> LoopResult | None:
    """Train a recogniser on RecordIO faces and publish it into `output/model`; see facejobs.training.run.train."""
    return train(_Recognition(data, parameters, make_engine), output, software, group)


class _Recognition:
    name = "recognition"
    image_noun = "record"

    def __init__(self, data: Path, parameters: RecognitionParameters, make_engine: MakeEngine) -> None:
        refuse_other_kind(data, "records")
        self._data = data
        self._records = FaceRecordFile.open(data)
        _check_usable(self._records, parameters)
        self.parameters = parameters
        self._make_engine = make_engine
        self._sets: list[MeasuredPairs] = []
        self.facts = {
            "path": str(self._records.path),
            "fingerprint": fingerprint(self._records.path),
            "images": len(self._records),
            "identities": self._records.num_classes,
        }

    def batches(self, slots: range) -> TrainingBatches:
        parameters = self.parameters
        augmentation = Augmentation(
            mirror=parameters.mirror,
            shift=parameters.shift,
            brightness=parameters.brightness,
            contrast=parameters.contrast,
            colour=parameters.colour,
        )
        return TrainingBatches(
            self._records, parameters.batch_size, parameters.seed, augmentation, parameters.threads, slots=slots
        )

    def make_engine(self, init: str | None) -> RecognitionEngine:
        return self._make_engine(self.parameters.model_copy(update={"init": init}), self._records.num_classes)

    def measured_sets(self, began_with: Mapping[str, str] | None) -> MeasuredSets:
        self._sets = [MeasuredPairs(p) for p in choose_sets(self._data, self.parameters.eval_data, began_with)]
        if not self._sets:
            log.warning(
                "no verification set found beside %s: name one with --eval-data to measure accuracy", self._data
            )
        return MeasuredSets(self._sets)

    def describe_batch(self, batch: Batch) -> dict[str, Any]:
        return {"record_numbers": batch.keys.tolist(), "labels": batch.labels.tolist()}

    def describe_model(self, common: dict[str, Any]) -> RecognitionDescription:
        points = [OperatingPoint(**row) for one in self._sets for row in one.operating_points()]
        return RecognitionDescription(
            **common,
            input=ModelInput(name="images", height=IMAGE_SIZE, width=IMAGE_SIZE, mean=PIXEL_MEAN, scale=PIXEL_SCALE),
            output=ModelOutput(name="embeddings", embedding_size=self.parameters.embedding_size),
            backbone=self.parameters.backbone,
            loss=self.parameters.loss,
            thresholds=tuple(points),
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
