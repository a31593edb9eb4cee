"""pairs.txt, the list of face pairs of Labeled Faces in the Wild (Huang et al., 2007).

A header, then `name<TAB>i<TAB>j` for two images of one person and `name1<TAB>i<TAB>name2<TAB>j` for two people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.data.reading import reading

_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class ListedPair:
    """One line of pairs.txt: image `first_number` of `first_name` against image `second_number` of `second_name`."""

    line: int
    first_name: str
    first_number: int
    second_name: str
    second_number: int
    same: bool


def parse_pairs(path: Path) -> tuple[list[ListedPair], NDArray[np.int64] | None]:
    """Parse a pairs.txt; returns its pairs and the fold of each, or None where the header states no folds.

    Three headers are known: `folds<TAB>n` (each fold has n matching and n non-matching pairs), `n` alone
    (n matching and n non-matching pairs in all), or none. Raises DataError with the line number.
    """
    lines = _read_lines(path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path} is empty; expected a header such as `10<TAB>300` and pairs")
    header = _parse_header(path, *first)
    pairs = [] if header is not None else [_parse_pair(path, *first)]
    pairs.extend(_parse_pair(path, number, text) for number, text in lines)
    if not pairs:
        raise DataError(f"{path} holds a header but no pair")
    if header is None:
        return pairs, None
    fold_count, per_kind = header
    expected = 2 * fold_count * per_kind
    if len(pairs) != expected:
        raise DataError(
            f"{path}: line {first[0]} states {fold_count} fold(s) of {per_kind} matching and {per_kind} non-matching "
            f"pairs, {expected} in all, but the file holds {len(pairs)} pairs; "
            + ("it is cut short: copy it again" if len(pairs) < expected else "correct the header")
        )
    _check_counts(path, pairs, fold_count, per_kind)
    return pairs, (np.repeat(np.arange(fold_count), 2 * per_kind) if fold_count > 1 else None)


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with reading(path):
            text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8 text; is this a pairs.txt?") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")


def _fields(text: str) -> list[str]:
    # Names with spaces occur where the fields are separated by tabs; other lists separate by blanks.
    return [field.strip() for field in text.strip().split("\t")] if "\t" in text.strip() else text.split()


def _parse_header(path: Path, line: int, text: str) -> tuple[int, int] | None:
    fields = _fields(text)
    if len(fields) > 2:
        return None
    numbers = [_natural(field) for field in fields]
    if None in numbers or 0 in numbers:
        raise DataError(
            f"{path}: line {line}: expected a header of one or two positive numbers (`10<TAB>300`) or a pair, "
            f"found {_shown(text)}"
        )
    return (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])  # type: ignore[return-value]


def _parse_pair(path: Path, line: int, text: str) -> ListedPair:
    fields = _fields(text)
    if len(fields) == 3:
        first_name, first, second = fields
        second_name = first_name
    elif len(fields) == 4:
        first_name, first, second_name, second = fields
    else:
        raise DataError(
            f"{path}: line {line}: expected 3 fields (name, i, j) or 4 (name1, i, name2, j), "
            f"found {len(fields)}: {_shown(text)}"
        )
    for name in (first_name, second_name):
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise DataError(f"{path}: line {line}: {_shown(name)} is not the name of a person's folder")
    numbers = (_natural(first), _natural(second))
    if numbers[0] is None or numbers[1] is None:
        raise DataError(
            f"{path}: line {line}: image numbers must be whole numbers, found {_shown(first)} and {_shown(second)}"
        )
    if len(fields) == 4 and first_name == second_name:
        raise DataError(f"{path}: line {line}: a non-matching pair names {first_name} twice")
    return ListedPair(line, first_name, numbers[0], second_name, numbers[1], same=len(fields) == 3)


def _natural(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


def _check_counts(path: Path, pairs: Sequence[ListedPair], fold_count: int, per_kind: int) -> None:
    size = 2 * per_kind
    for fold in range(fold_count):
        part = pairs[fold * size : (fold + 1) * size]
        matching = sum(pair.same for pair in part)
        if matching != per_kind:
            raise DataError(
                f"{path}: fold {fold + 1} (lines {part[0].line} to {part[-1].line}) holds {matching} matching and "
                f"{size - matching} non-matching pairs; the header states {per_kind} of each"
            )
