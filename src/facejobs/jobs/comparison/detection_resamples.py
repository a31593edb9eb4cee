"""`resamples` of a version: a detector's average precisions, on the same draws of photographs for every detector."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.jobs.comparison.significance import PairedBootstrap, interval_and_p
from facejobs.storage.store import ObjectStore

_FOLDER = "resamples"
_OF_AN_EVALUATION = "resamples.npz"
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class ResampledPrecision:
    """One average precision: its metric in the journal, its value, and `resampled` (R,), NaN for a draw without a face.

    Two of one protocol were drawn from the same photographs in the same order.
    """

    metric: str
    protocol: str
    set_name: str
    photographs: int
    value: float
    resampled: NDArray[np.float64]


def read_resamples(store: ObjectStore) -> tuple[list[ResampledPrecision], list[str]]:
    """All of a version folder, in the order of its tables, and the keys of files that are damaged."""
    found: list[ResampledPrecision] = []
    damaged: list[str] = []
    for key in _keys(store):
        parsed = parse_resamples(store.read(key))
        if parsed is None:
            damaged.append(key)
        else:
            found += parsed
    return found, damaged


def parse_resamples(data: bytes) -> list[ResampledPrecision] | None:
    """Parse one .npz file; None if it is damaged or its arrays do not belong together."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LARGEST:
                return None
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return list(_precisions(arrays))
    except Exception:  # numpy and zipfile raise whatever a damaged file leads them to
        return None


def _keys(store: ObjectStore) -> Iterator[str]:
    if store.stat(_OF_AN_EVALUATION) is not None:
        yield _OF_AN_EVALUATION
    yield from (info.key for info in store.list(_FOLDER) if info.key.endswith(".npz"))


def _precisions(arrays: "np.lib.npyio.NpzFile") -> Iterator[ResampledPrecision]:
    set_name, photographs = str(arrays["set"]), int(arrays["photographs"])
    for name, metric, protocol, value in zip(
        arrays["names"], arrays["metrics"], arrays["protocols"], arrays["values"], strict=True
    ):
        resampled = np.asarray(arrays[str(name)], np.float64)
        if resampled.ndim != 1 or not np.isfinite(value):
            raise ValueError("not one finite value with its resamples")
        yield ResampledPrecision(str(metric), str(protocol), set_name, photographs, float(value), resampled)


def compare_precisions(first: ResampledPrecision, other: ResampledPrecision) -> PairedBootstrap | None:
    """Compare two detectors draw by draw; None where they were not drawn alike, or no draw has a face.

    Raises ValueError if the protocols differ.
    """
    if first.protocol != other.protocol:
        raise ValueError(f"measured on other photographs: {first.protocol} and {other.protocol}")
    if first.metric != other.metric or first.resampled.shape != other.resampled.shape:
        return None
    differences = other.resampled - first.resampled
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return None
    low, high, p = interval_and_p(differences)
    return PairedBootstrap(
        metric=first.metric,
        told=first.metric,
        set_name=first.set_name,
        protocol=first.protocol,
        units="photographs",
        count=first.photographs,
        first=first.value,
        other=other.value,
        difference=other.value - first.value,
        low=low,
        high=high,
        p=p,
        resamples=len(differences),
    )
