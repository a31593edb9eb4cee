"""How a number is spread over a data set: its range, its middle, and a histogram."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values are from `least` to below `most` + 1 (None: any number above)."""

    least: int
    most: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """One number of everything that has it. The histogram begins and ends with a bin that is not empty."""

    minimum: float
    median: float
    mean: float
    maximum: float
    histogram: list[Bin]


def spread_of(values: npt.NDArray[Any], starts: Sequence[int]) -> Spread | None:
    """Summarise values, none below the first of `starts`, where the bins begin; None where there is no value."""
    if not len(values):
        return None
    filled = np.bincount(np.searchsorted(starts, values, side="right") - 1, minlength=len(starts))
    used = np.flatnonzero(filled)
    histogram = [
        Bin(starts[i], starts[i + 1] - 1 if i + 1 < len(starts) else None, int(filled[i]))
        for i in range(used[0], used[-1] + 1)
    ]
    return Spread(values.min().item(), float(np.median(values)), float(values.mean()), values.max().item(), histogram)
