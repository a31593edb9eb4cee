"""`property`: how many identities a record file has and how large its images are.

InsightFace writes one line `num_classes,height,width`. Other tools add lines; they are accepted as long as no two
such triples disagree. Three lines of one number each are accepted too.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.errors import DataError
from facejobs.data.reading import reading

_TRIPLE = re.compile(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,?\s*", re.ASCII)
_NUMBER = re.compile(r"\s*(\d{1,9})\s*", re.ASCII)
_MAX_BYTES = 65536


@dataclass(frozen=True, slots=True)
class DatasetProperty:
    """The content of `property`; the image size is in pixels."""

    num_classes: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.num_classes},{self.height},{self.width}"


def read_property(path: Path) -> DatasetProperty:
    """Read `path`; DataError if it cannot be read, holds no triple, holds triples that disagree, or a zero."""
    try:
        with reading(path), path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; it holds one line: identities,height,width") from None
    if len(raw) > _MAX_BYTES:
        raise DataError(f"{path}: larger than {_MAX_BYTES} bytes; expected one line: identities,height,width")
    lines = raw.decode("utf-8", errors="replace").lstrip("\ufeff").splitlines()
    triples = [(number, match) for number, line in enumerate(lines, 1) if (match := _TRIPLE.fullmatch(line))]
    if triples:
        values = [tuple(int(text) for text in match.groups()) for _, match in triples]
        for (number, _), value in zip(triples, values, strict=True):
            if value != values[0]:
                raise DataError(f"{path}: line {triples[0][0]} and line {number} disagree; keep the right one")
        numbers = values[0]
    else:
        singles = [match for line in lines if line.strip() for match in [_NUMBER.fullmatch(line)]]
        if len(singles) != 3 or None in singles:
            first = lines[0][:80] if lines else ""
            raise DataError(f"{path}: line 1: expected identities,height,width (such as 214,112,112), found {first!r}")
        numbers = tuple(int(match.group(1)) for match in singles if match)
    if 0 in numbers:
        raise DataError(f"{path}: identities, height and width must be at least 1, found {','.join(map(str, numbers))}")
    return DatasetProperty(*numbers)
