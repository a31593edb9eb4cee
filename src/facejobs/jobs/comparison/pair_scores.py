"""`scores/SET.json` of a version: how the published model decided each verification pair."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facejobs.storage.store import ObjectStore

_FOLDER = "scores"
_FORMAT = 1


@dataclass(frozen=True)
class PairScores:
    """One set: squared distance, whether the pair is of one person, and whether it was decided rightly.

    Arrays have one item a pair, in the order of the list; `correct` is None where the set has no accuracy.
    """

    name: str
    protocol: str
    distance: NDArray[np.float64]
    same: NDArray[np.bool_]
    correct: NDArray[np.bool_] | None


def read_pair_scores(store: ObjectStore) -> tuple[dict[str, PairScores], list[str]]:
    """All sets of a version folder by protocol, and the keys of files that are damaged or of a newer format."""
    found: dict[str, PairScores] = {}
    damaged: list[str] = []
    for info in store.list(_FOLDER):
        path = PurePosixPath(info.key)
        if path.suffix != ".json":
            continue
        scores = parse_pair_scores(path.stem, store.read(info.key))
        if scores is None:
            damaged.append(info.key)
        else:
            found[scores.protocol] = scores
    return found, damaged


def parse_pair_scores(name: str, data: bytes) -> PairScores | None:
    """Parse one file; None if it is damaged, of another format, or its lists differ in length."""
    try:
        document = json.loads(data)
        if document["format"] != _FORMAT or not isinstance(document["protocol"], str):
            return None
        pairs = int(document["pairs"])
        distance = np.array(document["distance"], np.float64)
        same, correct = _flags(document["same"]), document["correct"]
        decided = None if correct is None else _flags(correct)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    shapes = {array.shape for array in (distance, same, decided) if array is not None}
    if shapes != {(pairs,)} or not np.isfinite(distance).all():
        return None
    return PairScores(name, document["protocol"], distance, same, decided)


def _flags(values: object) -> NDArray[np.bool_]:
    if not isinstance(values, list) or not all(isinstance(value, bool) for value in values):
        raise TypeError("not a list of booleans")
    return np.array(values, np.bool_)
