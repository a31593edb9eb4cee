"""The scores of one evaluation as a file: what two models are compared with, pair by pair."""

import json
from pathlib import Path

from facejobs.evaluation.verification import VerificationResult

_FORMAT = 1
# Distances lie between 0 and 4; embeddings are float32, so further digits would hold nothing.
_DECIMALS = 9


def write_pair_scores(result: VerificationResult, path: Path) -> None:
    """Write `path` atomically, making its folder; docs/reference/file-formats.md has the format.

    Two files with the same protocol hold the same pairs in the same order. Raises OSError on a full disk.
    """
    document = {
        "format": _FORMAT,
        "protocol": result.protocol,
        "pairs": len(result.same),
        "distance": [round(distance, _DECIMALS) for distance in result.squared_distances.tolist()],
        "same": result.same.tolist(),
        "correct": None if result.accuracy is None else result.accuracy.correct.tolist(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
