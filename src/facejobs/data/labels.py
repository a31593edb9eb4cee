r"""`.lst` files: label and source path of every image, in two dialects.

im2rec writes `key<TAB>label[<TAB>label…]<TAB>path`. InsightFace writes `1<TAB>path<TAB>label[<TAB>…]`, the first field
saying whether the image is aligned and the n-th line describing record n.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from facejobs.data.errors import DataError
from facejobs.data.reading import reading

Dialect = Literal["im2rec", "insightface"]

_MAX_LINE = 65536
_LINES_TO_PROBE = 100


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One line: its number from 1, the record it describes, the (first) label as written, and the path as written."""

    line: int
    key: int
    label: float
    path: str


def read_list(path: Path) -> Iterator[ListEntry]:
    """Yield the entries of a `.lst` one by one; DataError names a malformed line. Empty lines count for nothing."""
    dialect = list_dialect(path)
    for number, (line, fields) in enumerate(_fields(path), 1):
        entry = _parse(dialect, line, number, fields)
        if entry is None:
            expected = "key<TAB>label<TAB>path" if dialect == "im2rec" else "1<TAB>path<TAB>label"
            raise DataError(f"{path}: line {line}: expected {expected}, found {'<TAB>'.join(fields)[:80]!r}")
        yield entry


def list_dialect(path: Path) -> Dialect:
    """Tell the dialect from the first line whose path cannot be taken for a number.

    Where every path is a number, a first column of 0 and 1 that repeats itself means InsightFace: keys are unique.
    """
    probed = [fields for _, fields in islice(_fields(path), _LINES_TO_PROBE)]
    for fields in probed:
        if len(fields) >= 3:
            second, third, last = (_number(fields[place]) is not None for place in (1, 2, -1))
            if second and not last:
                return "im2rec"
            if third and not second:
                return "insightface"
    flags = [fields[0] for fields in probed]
    return "insightface" if {*flags} <= {"0", "1"} and len({*flags}) < len(flags) else "im2rec"


def _fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    with reading(path), path.open("rb") as file:
        line = 0
        while raw := file.readline(_MAX_LINE):
            line += 1
            if len(raw) == _MAX_LINE:
                raise DataError(f"{path}: line {line} is longer than {_MAX_LINE} bytes; is this a .lst file?")
            text = raw.decode("utf-8", errors="surrogateescape").strip("\r\n")
            if text.strip():
                yield line, text.split("\t")


def _parse(dialect: Dialect, line: int, number: int, fields: list[str]) -> ListEntry | None:
    if len(fields) < 3:
        return None
    if dialect == "im2rec":
        key, label, path = _number(fields[0]), _number(fields[1]), fields[-1]
    else:
        key, label, path = float(number), _number(fields[2]), fields[1]
    if key is None or label is None or not 0 <= key < 2**53 or not key.is_integer():
        return None
    return ListEntry(line, int(key), label, path)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
