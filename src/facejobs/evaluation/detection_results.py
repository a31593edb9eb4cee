"""Detection results as JSON, and as a folder to keep."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from facejobs.evaluation.detection import AveragePrecision, DetectionResult
from facejobs.evaluation.detection_resamples import write_resamples
from facejobs.evaluation.landmark_error import LANDMARK_NAMES, LandmarkError
from facejobs.evaluation.metric_lines import write_metrics
from facejobs.evaluation.precision_recall_picture import draw_precision_recall
from facejobs.evaluation.results import RESULTS_NAME

PICTURE_NAME = "precision-recall.png"
RESAMPLES_NAME = "resamples.npz"
_FORMAT_VERSION = 1


def to_json(model: dict[str, Any], result: DetectionResult) -> dict[str, Any]:
    """Return everything measured of `model` (what identifies it), ready for json.dumps."""
    return {
        "format_version": _FORMAT_VERSION,
        "model": model,
        "detection": {
            "name": result.name,
            "scale": result.scale,
            "images": result.images,
            "detections": result.detections,
            "metrics": result.metrics(),
            "average_precision": [_precision(measured) for measured in result.precisions],
            "landmarks": None if result.landmarks is None else _landmarks(result.landmarks),
        },
    }


def save_results(folder: Path, model: dict[str, Any], result: DetectionResult) -> None:
    """Write results.json, metrics.jsonl, precision-recall.png and resamples.npz into the empty folder `folder`."""
    draw_precision_recall(result, folder / PICTURE_NAME)
    write_resamples(result, folder / RESAMPLES_NAME)
    write_metrics(folder, result.metrics())
    text = json.dumps(to_json(model, result), indent=2, allow_nan=False)
    (folder / RESULTS_NAME).write_text(text + "\n", encoding="utf-8")


def _precision(measured: AveragePrecision) -> dict[str, Any]:
    best = measured.curve.best_f1()
    return {
        "name": measured.name,
        "protocol": measured.protocol,
        "faces": measured.faces,
        "value": measured.value,
        "interval": None if measured.interval is None else list(measured.interval),
        "recall": measured.recall,
        "best_f1": None
        if best is None
        else {"f1": best.f1, "threshold": best.threshold, "precision": best.precision, "recall": best.recall},
    }


def _landmarks(error: LandmarkError) -> dict[str, Any]:
    return {
        "faces": error.faces,
        "mean": error.mean,
        "interval": list(error.interval),
        **{
            name: None if np.isnan(value) else value
            for name, value in zip(LANDMARK_NAMES, error.per_landmark, strict=True)
        },
    }
