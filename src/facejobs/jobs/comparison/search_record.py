"""`searches.json` of a version: what an identification returned for every probe."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

_KEY = "searches.json"
_FORMAT = 1


@dataclass(frozen=True)
class OpenSetPoint:
    """FNIR at one FPIR: its metric in the journal, its value, and the threshold it was measured at."""

    metric: str
    fpir: float
    value: float
    threshold: float


@dataclass(frozen=True, eq=False)
class SearchRecord:
    """P searches, in the order of the probes' names; `points` are the FPIRs that were measured, the headline first.

    `persons` is who is on each probe, None for a stranger, and `subjects` (P,) numbers real people, strangers too.
    `right` (P,) is the highest threshold at which the right name is returned, and `wrong` (P,) that for any other name:
    -inf where there is none.
    """

    protocol: str
    probes: tuple[str, ...]
    persons: tuple[str | None, ...]
    subjects: NDArray[np.int64]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    points: tuple[OpenSetPoint, ...]

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Which probes show somebody enrolled."""
        return np.array([person is not None for person in self.persons], np.bool_)

    def same_probes(self, other: "SearchRecord") -> bool:
        """Whether both searched for the same people on the same probes."""
        return (
            self.probes == other.probes
            and self.persons == other.persons
            and np.array_equal(self.subjects, other.subjects)
        )


def read_search_record(store: ObjectStore) -> tuple[SearchRecord | None, list[str]]:
    """That of a version folder, if it has one, and its key if it is damaged or of a newer format."""
    try:
        data = store.read(_KEY)
    except NotFoundError:
        return None, []
    record = parse_search_record(data)
    return record, [] if record else [_KEY]


def parse_search_record(data: bytes) -> SearchRecord | None:
    """Parse the file; None if it is damaged, of another format, or its lists differ in length."""
    try:
        document = json.loads(data)
        if document["format"] != _FORMAT:
            return None
        columns = [document[name] for name in ("probe", "person", "subject", "rank", "mate_similarity")]
        columns.append(document["rival_similarity"])
        if len({len(column) for column in columns}) != 1 or not columns[0]:
            return None
        ranks = np.array(document["rank"], np.int64)
        return SearchRecord(
            protocol=_text(document["protocol"]),
            probes=tuple(map(_text, document["probe"])),
            persons=tuple(None if person is None else _text(person) for person in document["person"]),
            subjects=np.array(document["subject"], np.int64),
            right=np.where(ranks == 1, _similarities(document["mate_similarity"]), -np.inf),
            wrong=np.where(ranks == 1, -np.inf, _similarities(document["rival_similarity"])),
            points=tuple(_point(point) for point in document["open_set"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _similarities(values: list[float | None]) -> NDArray[np.float64]:
    numbers = np.array([-np.inf if value is None else value for value in values], np.float64)
    if np.isnan(numbers).any():
        raise ValueError("a similarity that is not a number")
    return numbers


def _point(point: dict[str, Any]) -> OpenSetPoint:
    fpir, value, threshold = (float(point[name]) for name in ("fpir", "value", "threshold"))
    if not 0 < fpir < 1 or not 0 <= value <= 1 or not np.isfinite(threshold):
        raise ValueError("rates that are none")
    return OpenSetPoint(_text(point["metric"]), fpir, value, threshold)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
