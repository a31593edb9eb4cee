"""Which verification sets a run is measured on, and measuring on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.data.pairs import VerificationPairs, load_pairs
from facejobs.evaluation.verification import Embed, VerificationResult, evaluate_verification
from facejobs.training.loop import Metric

Measured = tuple[VerificationPairs, VerificationResult]


def find_sets(data: Path) -> tuple[str, ...]:
    """Verification sets beside the training data, where users of RecordIO faces keep them.

    `*.bin` in the data folder, folders with a `pairs.txt` in it, and those in a `verification/` folder in or beside it.
    """
    places = (data, data / "verification", data.resolve().parent / "verification")
    found = [*sorted(data.glob("*.bin"))]
    for place in places:
        found += sorted(path.parent for path in place.glob("*/pairs.txt"))
    return tuple(str(path) for path in found)


def load_sets(paths: tuple[str, ...]) -> list[VerificationPairs]:
    """Load each set; raises DataError where one cannot be read or two have one name."""
    sets = [load_pairs(Path(path)) for path in paths]
    names = [pairs.name for pairs in sets]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(
            f"several verification sets are named {', '.join(repeated)}: rename one, metrics carry the name"
        )
    return sets


def measure(sets: list[VerificationPairs], embed: Embed, check_stop: Callable[[], None]) -> list[Measured]:
    """Evaluate an embedder on every set; `check_stop` is called before every batch and may raise."""

    def embed_or_stop(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        check_stop()
        return embed(images)

    return [(pairs, evaluate_verification(pairs, embed_or_stop)) for pairs in sets]


def named_metrics(results: list[Measured]) -> list[dict[str, Any]]:
    """Every supported number as name, value, protocol and interval; names begin with the set's: `lfw_accuracy`."""
    return [
        {**metric, "name": f"{pairs.name}_{metric['name'].removeprefix('verification_')}"}
        for pairs, result in results
        for metric in result.metrics()
    ]


def as_metrics(results: list[Measured]) -> list[Metric]:
    """What the loop watches: the accuracy of the first set first."""
    return [Metric(metric["name"], metric["value"], metric["protocol"]) for metric in named_metrics(results)]
