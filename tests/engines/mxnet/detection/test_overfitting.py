"""A detector learns eight photographs by heart: net, targets, loss, decoding and suppression fit each other."""

from pathlib import Path

import cv2
import pytest

from facejobs.data.detection.detection_batches import DetectionBatches
from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.photo_augmentation import PhotoAugmentation
from facejobs.data.detection.photographs import read_photograph
from facejobs.data.detection.prediction import DecodingSettings
from facejobs.data.detection.test_scale import ORIGINAL, detect_at
from facejobs.engines.mxnet.detection.engine import DetectionEngine
from facejobs.evaluation.detection import evaluate_detection
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters

SIZE = 160
PHOTOGRAPHS = 8
STEPS = 140
SMALLEST = 16


def small_photographs(split: DetectionSplit, folder: Path) -> DetectionSplit:
    """The first photographs whose faces are large, cut to their left or upper square and scaled to SIZE."""
    (folder / "images").mkdir()
    lines = []
    for image in split.images:
        photograph = read_photograph(split.path_of(image))
        side = min(photograph.shape[:2])
        boxes = image.boxes * SIZE / side
        sides = boxes[:, 2:] - boxes[:, :2]
        if not 1 <= len(boxes) <= 4 or boxes.max() > SIZE or sides.min() < SMALLEST:
            continue
        name = f"{len(lines)}.png"
        square = cv2.resize(photograph[:side, :side], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / "images" / name), square[:, :, ::-1])
        faces = [f"{x1} {y1} {x2 - x1} {y2 - y1}" for x1, y1, x2, y2 in boxes.tolist()]
        lines.append("\n".join([f"# {name}", *faces]))
        if len(lines) == PHOTOGRAPHS:
            break
    (folder / "label.txt").write_text("\n".join(lines) + "\n")
    return DetectionSplit.open(folder)


def detections_of(engine: DetectionEngine, split: DetectionSplit) -> list:
    settings = DecodingSettings()
    photographs = [read_photograph(split.path_of(image)) for image in split.images]
    return [detect_at(engine.forward, photograph, ORIGINAL, LAYOUT, settings) for photograph in photographs]


def average_precision(images: tuple[LabelledImage, ...], detections: list) -> float:
    result = evaluate_detection(images, detections, name="train", fingerprint="0" * 12, scale="original", resamples=2)
    return next(precision.value for precision in result.precisions if precision.name == "all")


@pytest.mark.shared_data
def test_eight_photographs_are_learnt_by_heart(shared_data: Path, tmp_path: Path) -> None:
    split = small_photographs(DetectionSplit.open(shared_data / "detection_train_data" / "train"), tmp_path)
    assert len(split) == PHOTOGRAPHS
    engine = DetectionEngine(DetectionParameters(optimizer="adam", batch_size=PHOTOGRAPHS, weight_decay=0.0))
    before = average_precision(split.images, detections_of(engine, split))
    plain = PhotoAugmentation(brightness=0, contrast=0, colour=0, crop_scales=(), mirror=False)
    with DetectionBatches(split, PHOTOGRAPHS, 1, plain, LAYOUT, (SIZE,), threads=1) as batches:
        for step, batch in zip(range(STEPS), batches.start(0), strict=False):
            engine.step(batch, step, 3e-3 * min(1, (step + 1) / 20) * (1 - step / STEPS), 0.0)
    assert before < 0.3
    assert average_precision(split.images, detections_of(engine, split)) >= 0.99
