"""Which verification sets a run is measured on, and measuring on them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.data.pair_sets import sets_around
from facejobs.data.pairs import VerificationPairs, load_pairs, set_name
from facejobs.evaluation.verification import Embed, VerificationResult, evaluate_verification
from facejobs.training.loop import Metric
from facejobs.training.progress import Progress

Measured = tuple[VerificationPairs, VerificationResult]


def choose_sets(
    data: Path, named: Sequence[str], began_with: Mapping[str, str] | None = None
) -> list[VerificationPairs]:
    """The sets that are `named`, or else those in and around the folder `data`.

    A run that goes on is measured as it began: `began_with` is the name and protocol of each of its sets, and others
    that lie around by now are left out. Raises DataError where a set cannot be read, has changed or is gone, or where
    two have one name.
    """
    paths = [Path(path) for path in named] or sets_around(data)
    if began_with is not None:
        paths = [path for path in paths if set_name(path) in began_with]
    sets = [load_pairs(path) for path in paths]
    names = [pairs.name for pairs in sets]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(
            f"several verification sets are named {', '.join(repeated)}: rename one, metrics carry the name"
        )
    return sets if began_with is None else _as_it_began(sets, began_with, data)


def _as_it_began(sets: list[VerificationPairs], began_with: Mapping[str, str], data: Path) -> list[VerificationPairs]:
    by_name = {pairs.name: pairs for pairs in sets}
    for name, protocol in began_with.items():
        if name not in by_name:
            raise DataError(
                f"the run began with the verification set {name}, which is no longer in or beside {data}: put it back, "
                "or name another output folder"
            )
        if by_name[name].protocol != protocol:
            raise DataError(
                f"the run began with another verification set {name} ({protocol}, now {by_name[name].protocol}): put "
                "the former one back, or name another output folder"
            )
    return [by_name[name] for name in began_with]


def measure(
    sets: list[VerificationPairs], embed: Embed, check_stop: Callable[[], None], progress: Progress
) -> list[Measured]:
    """Evaluate an embedder on every set; `check_stop` is called before every batch and may raise."""

    def embed_or_stop(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        check_stop()
        return embed(images)

    results = []
    for pairs in sets:
        with progress.measuring(pairs.name, len(pairs.images)) as show:
            results.append((pairs, evaluate_verification(pairs, embed_or_stop, progress=show)))
    return results


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
