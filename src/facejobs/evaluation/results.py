"""Verification results as JSON, as a table to read, and as a folder to keep."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facejobs.evaluation.roc_picture import draw_roc
from facejobs.evaluation.verification import NotEnoughPairs, VerificationResult

RESULTS_NAME = "results.json"
_FORMAT_VERSION = 1
_NAME_WIDTH = 18


def to_json(model: dict[str, Any], results: Sequence[VerificationResult]) -> dict[str, Any]:
    """Return everything measured of `model` (what identifies it), ready for json.dumps."""
    return {"format_version": _FORMAT_VERSION, "model": model, "verification": [_one(result) for result in results]}


def save_results(folder: Path, model: dict[str, Any], results: Sequence[VerificationResult]) -> None:
    """Write results.json and, for each set, <name>-scores.npz and <name>-roc.png into the empty folder `folder`.

    The .npz holds, a pair each in the order of the list: `cosine`, `squared_distance`, `same`, `fold`, and the
    `protocol`; files of one protocol hold the same pairs, so two models can be compared pair by pair.
    """
    for stem, result in zip(_file_stems(results), results, strict=True):
        np.savez_compressed(
            folder / f"{stem}-scores.npz",
            cosine=result.scores,
            squared_distance=result.squared_distances,
            same=result.same,
            fold=result.folds,
            protocol=np.array(result.protocol),
        )
        draw_roc(result, folder / f"{stem}-roc.png")
    text = json.dumps(to_json(model, results), indent=2, allow_nan=False)
    (folder / RESULTS_NAME).write_text(text + "\n", encoding="utf-8")


def to_table(result: VerificationResult) -> str:
    """Return the result as lines for a terminal."""
    lines = [
        f"{result.name}: {result.genuine_pairs:,} pairs of one person, {result.impostor_pairs:,} of different people, "
        f"{result.image_count:,} images",
        f"  protocol {result.protocol}",
    ]
    if result.accuracy is not None:
        accuracy = result.accuracy
        lines.append(
            f"  {'accuracy':{_NAME_WIDTH}}{accuracy.mean:.4f} ± {accuracy.deviation:.4f}"
            f"  {_interval(accuracy.interval)}  (mean ± standard deviation of {len(accuracy.folds)} folds)"
        )
    lines.extend(
        f"  {f'TAR at FAR {point.far:g}':{_NAME_WIDTH}}{point.tar:.4f}           {_interval(point.interval)}"
        f"  at cosine {point.threshold:.4f}"
        for point in result.tars
    )
    lines.extend(f"  {_label(missing):{_NAME_WIDTH}}{_explain(missing)}" for missing in result.unsupported)
    return "\n".join(lines)


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


def _interval(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def _label(missing: NotEnoughPairs) -> str:
    if missing.far is None:
        return "accuracy"
    return f"TAR at FAR {missing.far:g}"


def _explain(missing: NotEnoughPairs) -> str:
    return f"not enough {missing.what}: {missing.present:,} present, {missing.needed:,} needed"
