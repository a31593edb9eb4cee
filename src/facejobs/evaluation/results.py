"""Verification results as JSON, and as a folder to keep."""

import json
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from facejobs.evaluation.roc_picture import draw_roc
from facejobs.evaluation.verification import VerificationResult

RESULTS_NAME = "results.json"
_FORMAT_VERSION = 1


def to_json(model: dict[str, Any], results: Sequence[VerificationResult]) -> dict[str, Any]:
    """Return everything measured of `model` (what identifies it), ready for json.dumps."""
    return {"format_version": _FORMAT_VERSION, "model": model, "verification": [_one(result) for result in results]}


def save_results(folder: Path, model: dict[str, Any], results: Sequence[VerificationResult]) -> int:
    """Write results.json and, for each set, <name>-scores.npz and <name>-roc.png into the empty folder `folder`.

    Returns how many ROC pictures there are: none for a set that holds only pairs of one kind.

    The .npz holds, a pair each in the order of the list: `cosine`, `squared_distance`, `same`, `fold`, and the
    `protocol`; files of one protocol hold the same pairs, so two models can be compared pair by pair.
    """
    drawn = 0
    for stem, result in zip(_file_stems(results), results, strict=True):
        # In memory first: on a full disk zipfile would print what it cannot close.
        scores = BytesIO()
        np.savez_compressed(
            scores,
            cosine=result.scores,
            squared_distance=result.squared_distances,
            same=result.same,
            fold=result.folds,
            protocol=np.array(result.protocol),
        )
        (folder / f"{stem}-scores.npz").write_bytes(scores.getbuffer())
        drawn += draw_roc(result, folder / f"{stem}-roc.png")
    text = json.dumps(to_json(model, results), indent=2, allow_nan=False)
    (folder / RESULTS_NAME).write_text(text + "\n", encoding="utf-8")
    return drawn


def _one(result: VerificationResult) -> dict[str, Any]:
    accuracy = result.accuracy
    return {
        "name": result.name,
        "protocol": result.protocol,
        "images": result.image_count,
        "genuine_pairs": result.genuine_pairs,
        "impostor_pairs": result.impostor_pairs,
        "metrics": result.metrics(),
        "not_enough_pairs": [
            {
                "name": missing.name,
                "reason": missing.reason,
                "what": missing.what,
                "present": missing.present,
                "needed": missing.needed,
            }
            for missing in result.unsupported
        ],
        "thresholds": result.operating_points(),
        "folds": None
        if accuracy is None
        else {"accuracy": list(accuracy.folds), "threshold": list(accuracy.thresholds)},
    }


def _file_stems(results: Sequence[VerificationResult]) -> list[str]:
    stems: list[str] = []
    for result in results:
        stem = re.sub(r"[^\w.-]+", "_", result.name).strip(".") or "pairs"
        while stem in stems:
            stem += "_"
        stems.append(stem)
    return stems
