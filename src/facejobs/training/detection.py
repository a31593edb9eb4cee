"""What is particular to a detection run: its data, its batches, what it is measured on and what is published."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from facejobs.data.detection.detection_batches import DetectionBatch, DetectionBatches
from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.detector_description import (
    Anchors,
    Cascade,
    DetectionDescription,
    DetectionOutputs,
    PhotographInput,
)
from facejobs.data.detection.matching import MatchingRule
from facejobs.data.detection.photo_augmentation import PhotoAugmentation
from facejobs.data.normalization import PIXEL_MEAN, PIXEL_SCALE
from facejobs.training.data_kind import refuse_other_kind
from facejobs.training.detection_parameters import CASCADE, LAYOUT, DetectionParameters
from facejobs.training.detection_sets import (
    DEFAULT_THRESHOLD,
    CascadePredictor,
    MeasuredSplit,
    Predictor,
    choose_splits,
    count_faces,
    require_large_faces,
    require_photographs,
    split_folders,
)
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.loop import LoopResult
from facejobs.training.run import ExportingEngine, MeasuredSets, train

log = logging.getLogger(__name__)

_ANCHORS = Anchors(strides=LAYOUT.strides, sizes=LAYOUT.sizes, variances=LAYOUT.variances)
_OWN_NETS = {"ssh": "vgg16", "mtcnn": "mtcnn"}
"""Backbones of detectors that are of one net."""
_CASCADE = Cascade(
    graphs=("p-net.onnx", "r-net.onnx", "o-net.onnx"),
    smallest_face=CASCADE.smallest_face,
    pyramid_factor=CASCADE.pyramid_factor,
    proposal_threshold=CASCADE.proposal_threshold,
    refinement_threshold=CASCADE.refinement_threshold,
)


class AnchorEngine(ExportingEngine[DetectionBatch], Predictor, Protocol):
    """An engine of a detector with anchors."""


class CascadeEngine(ExportingEngine[DetectionBatch], CascadePredictor, Protocol):
    """An engine of mtcnn."""


DetectionEngine = AnchorEngine | CascadeEngine
MakeEngine = Callable[[DetectionParameters], DetectionEngine]


def train_detection(
    data: Path,
    output: Path,
    parameters: DetectionParameters,
    make_engine: MakeEngine,
    software: dict[str, str],
    group: WorkerGroup | None = None,
) -> LoopResult | None:
    """Train a detector on labelled photographs and publish it into `output/model`; see facejobs.training.run.train.

    `data` holds `train` and perhaps `val`, which decides which checkpoint is the best, and `test`, on which the
    published model is measured; or it is a single split.
    """
    return train(_Detection(data, parameters, make_engine), output, software, group)


class _Detection:
    name = "detection"
    image_noun = "photograph"

    def __init__(self, data: Path, parameters: DetectionParameters, make_engine: MakeEngine) -> None:
        refuse_other_kind(data, "photographs")
        self._splits = split_folders(data)
        self._split = DetectionSplit.open(self._splits.train)
        require_photographs(self._split)
        self._augmentation = PhotoAugmentation(
            brightness=parameters.brightness,
            contrast=parameters.contrast,
            colour=parameters.colour,
            crop_scales=parameters.crop_scales,
            mirror=parameters.mirror,
            smallest_face=parameters.smallest_face,
        )
        require_large_faces(self._split, self._augmentation, parameters.image_sizes)
        self.parameters = parameters
        self._make_engine = make_engine
        self._watched: list[MeasuredSplit] = []
        self.facts = {
            "path": str(self._split.folder),
            "fingerprint": self._split.fingerprint(),
            "images": len(self._split),
            "faces": count_faces(self._split),
        }

    def batches(self, slots: range) -> DetectionBatches:
        parameters = self.parameters
        return DetectionBatches(
            self._split,
            parameters.batch_size,
            parameters.seed,
            self._augmentation,
            LAYOUT,
            parameters.image_sizes,
            parameters.threads,
            slots=slots,
            rule=MatchingRule(parameters.positive_iou, parameters.negative_iou, parameters.best_iou),
        )

    def make_engine(self, init: str | None) -> DetectionEngine:
        return self._make_engine(self.parameters.model_copy(update={"init": init}))

    def measured_sets(self, began_with: Mapping[str, str] | None) -> MeasuredSets:
        self._watched, final = choose_splits(self._splits, self.parameters, began_with)
        if not self._watched:
            log.warning(
                "no split val beside %s: name one with --eval-data to measure average precision", self._split.folder
            )
        return MeasuredSets(self._watched, final)

    def describe_batch(self, batch: DetectionBatch) -> dict[str, Any]:
        return {"photographs": list(batch.names), "size": batch.images.shape[1]}

    def describe_model(self, common: dict[str, Any]) -> DetectionDescription:
        parameters = self.parameters
        assert parameters.detector != "haar"
        cascade = parameters.detector == "mtcnn"
        best = self._watched[0].best_threshold() if self._watched else None
        return DetectionDescription(
            **common,
            detector=parameters.detector,
            input=PhotographInput(
                name="images", multiple=1 if cascade else LAYOUT.multiple, mean=PIXEL_MEAN, scale=PIXEL_SCALE
            ),
            outputs=DetectionOutputs(
                scores="scores", boxes="boxes", landmarks=None if parameters.detector == "ssh" else "landmarks"
            ),
            anchors=None if cascade else _ANCHORS,
            cascade=_CASCADE if cascade else None,
            backbone=_OWN_NETS.get(parameters.detector, parameters.backbone),
            score_threshold=DEFAULT_THRESHOLD if best is None else best,
            nms_iou=parameters.nms_iou,
        )
