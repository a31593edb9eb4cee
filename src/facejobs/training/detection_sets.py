"""Which splits a detection run trains on and is measured on, and measuring on them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.cascade import detect_cascade
from facejobs.data.detection.detection_split import IMAGES, LABELS, DetectionSplit, find_splits
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.haar_cascade import NMS_IOU, HaarCascade
from facejobs.data.detection.photo_augmentation import PhotoAugmentation
from facejobs.data.detection.photographs import open_photograph, read_photograph
from facejobs.data.detection.prediction import DecodingSettings, Forward, RawPredictions
from facejobs.data.detection.test_scale import TestScale, detect_at, detect_scaled
from facejobs.data.errors import DataError
from facejobs.data.model_description import Metric
from facejobs.evaluation.detection import DetectionResult, evaluate_detection
from facejobs.evaluation.detection_resamples import write_resamples
from facejobs.evaluation.precision_recall_picture import draw_precision_recall
from facejobs.evaluation.wider_face import find_subsets
from facejobs.training.detection_parameters import CASCADE, LAYOUT, DetectionParameters
from facejobs.training.evaluation_sets import as_it_began
from facejobs.training.progress import Progress

log = logging.getLogger(__name__)

DEFAULT_THRESHOLD = 0.5
"""A net's, where nothing was measured."""


class SplitFolders(NamedTuple):
    """The splits of one data set; `val` and `test` are None where there is none."""

    train: Path
    val: Path | None
    test: Path | None


def split_folders(data: Path) -> SplitFolders:
    """The split to train on, which is `train` in the folder `data` or `data` itself, and `val` and `test` beside it.

    Raises DataError where there is none.
    """
    found = find_splits(data)
    own = found[:1] == [data]
    splits = {folder.name: folder for folder in (find_splits(data.resolve().parent) if own else found)}
    train = data if own else splits.get("train")
    if train is None:
        raise DataError(
            f"{data}: holds no photographs to train on; give a folder with train/{IMAGES}/ and train/{LABELS}, or a "
            f"single split with {IMAGES}/ and {LABELS}"
        )
    others = {name: folder for name, folder in splits.items() if not folder.samefile(train)}
    return SplitFolders(train, others.get("val"), others.get("test"))


def require_photographs(split: DetectionSplit) -> None:
    """Raise DataError where a labelled photograph of `split` is missing, or no labelled face counts."""
    labels = split.folder / LABELS
    missing = [image for image in split.images if not split.path_of(image).is_file()]
    if missing:
        more = f", the first of {len(missing)} that are" if len(missing) > 1 else ""
        raise DataError(
            f"{labels}:{missing[0].line}: {split.path_of(missing[0])} is missing{more}; copy the photographs again, or "
            f"remove their labels. `facejobs data check {split.folder}` lists them all"
        )
    if not any(len(image) for image in split.images):
        raise DataError(f"{labels}: no face is labelled; give a split with labelled faces")
    if not count_faces(split):
        raise DataError(
            f"{labels}: every labelled face is ignored, for it is marked as such or its box has no area; give a split "
            "with faces that count"
        )


def count_faces(split: DetectionSplit) -> int:
    """How many labelled faces are not ignored."""
    return sum(int((~image.ignored).sum()) for image in split.images)


def require_large_faces(split: DetectionSplit, augmentation: PhotoAugmentation, image_sizes: tuple[int, ...]) -> None:
    """Raise DataError where every face of `split` is too small, whatever crop of its photograph is trained on.

    Photographs are read, up to the first that shows a larger face; what cannot be read is skipped.
    """
    seen = False
    for image in split.images:
        if image.ignored.all():
            continue
        try:
            photograph = open_photograph(split.path_of(image))
        except DataError:
            continue
        seen = True
        if augmentation.can_count(photograph.height, photograph.width, image, max(image_sizes)).any():
            return
    if seen:
        raise DataError(
            f"{split.folder / LABELS}: no face is ever {augmentation.smallest_face:g} pixels wide and high within a "
            f"training image of {max(image_sizes)} pixels, and smaller ones are left out: correct the labels, or give "
            f"a lower --smallest-face, lower --crop-scales or larger --image-sizes. `facejobs data check "
            f"{split.folder}` shows how large faces are"
        )


class Predictor(Protocol):
    """An engine whose net has anchors."""

    def forward(self, images: NDArray[np.uint8]) -> RawPredictions:
        """What the net says of uint8 RGB images (n, H, W, 3), H and W multiples of 32."""


class CascadePredictor(Protocol):
    """An engine of several nets."""

    @property
    def nets(self) -> tuple[Forward, Forward, Forward]:
        """The nets as `detect_cascade` takes them."""


class MeasuredSplit:
    """One labelled split, and how the newest net did on it."""

    def __init__(self, folder: Path, parameters: DetectionParameters) -> None:
        """Open the split; raises DataError where it is none, or a photograph is missing."""
        self._split = DetectionSplit.open(folder)
        require_photographs(self._split)
        self._subsets = find_subsets(folder, [image.path for image in self._split.images])
        self._scale = TestScale.parse(parameters.eval_scale)
        self._detector = parameters.detector
        self._settings = DecodingSettings(nms_iou=parameters.nms_iou)
        self._fingerprint = self._split.fingerprint()
        self._result: DetectionResult | None = None
        self.name = folder.resolve().name
        self.protocol = f"detection:{self._fingerprint[:12]}:{self._scale.name}"

    def require_readable(self, threads: int) -> None:
        """Raise DataError for a photograph that cannot be decoded: better now than when the training is over."""
        log.info("reading the %d photographs of %s once", len(self._split), self.name)
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda image: read_photograph(self._split.path_of(image)).size, self._split.images):
                pass

    @property
    def metrics(self) -> list[Metric] | None:
        """Average precision of faces from 20 pixels first; names begin with the split's: `val_ap_20px_original`."""
        if self._result is None:
            return None
        return [Metric(**{**metric, "name": f"{self.name}_{metric['name']}"}) for metric in self._result.metrics()]

    def measure(self, engine: Any, check_stop: Callable[[], None], progress: Progress) -> None:
        """Detect in every photograph and compare with its labels."""
        found = []
        with progress.measuring(self.name, len(self._split)) as show:
            for image in self._split.images:
                check_stop()
                photograph = read_photograph(self._split.path_of(image))
                found.append(self._detect(engine, photograph))
                show(len(found), len(self._split))
        self._result = evaluate_detection(
            self._split.images,
            found,
            name=self.name,
            fingerprint=self._fingerprint,
            scale=self._scale.name,
            subsets=self._subsets,
        )

    def _detect(self, engine: Any, photograph: NDArray[np.uint8]) -> Detections:
        if self._detector == "haar":
            haar: HaarCascade = engine
            return detect_scaled(haar.detect, photograph, self._scale, NMS_IOU)
        if self._detector != "mtcnn":
            predictor: Predictor = engine
            return detect_at(predictor.forward, photograph, self._scale, LAYOUT, self._settings)
        cascade: CascadePredictor = engine
        low = replace(CASCADE, score_threshold=self._settings.score_threshold, nms_iou=self._settings.nms_iou)
        return detect_scaled(
            lambda shown: detect_cascade(cascade.nets, shown, low), photograph, self._scale, low.nms_iou
        )

    def write_papers(self, folder: Path) -> None:
        """Draw the precision-recall curves, and keep what other detectors are compared with."""
        if self._result is not None:
            write_resamples(self._result, folder / "resamples" / f"{self.name}.npz", prefix=f"{self.name}_")
            draw_precision_recall(self._result, folder / f"precision-recall-{self.name}.png")

    def best_threshold(self) -> float | None:
        """The score at which precision and recall of faces from 20 pixels are best together (F1); None without any."""
        headline = self._result.headline if self._result else None
        best = headline.curve.best_f1() if headline else None
        return None if best is None else best.threshold


def choose_splits(
    splits: SplitFolders, parameters: DetectionParameters, began_with: Mapping[str, str] | None
) -> tuple[list[MeasuredSplit], list[MeasuredSplit]]:
    """What is watched during training, and what the published net alone is measured on.

    The first are the splits that `eval_data` names, or `val`; in the latter case the second is `test`. A run that goes
    on is measured as it began. Raises DataError where a split cannot be read, has changed or is gone, or where two have
    one name.
    """
    named = [Path(path) for path in parameters.eval_data]
    final = [] if named else [splits.test]

    def opened(folders: Sequence[Path | None]) -> list[MeasuredSplit]:
        return [
            MeasuredSplit(folder, parameters)
            for folder in folders
            if folder is not None and (began_with is None or folder.resolve().name in began_with)
        ]

    of_watched, of_final = opened(named or [splits.val]), opened(final)
    for split in as_it_began([*of_watched, *of_final], began_with, splits.train):
        if began_with is None:
            split.require_readable(parameters.threads)
    return of_watched, of_final
