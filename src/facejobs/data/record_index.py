"""`.idx` files: one line `key<TAB>byte offset` per record, looked up without loading them.

Nearly every `.idx` numbers its records in a row (0, 1, 2, … or 1, 2, …, N with 0 on the last line, as InsightFace
writes it). For those only the start of every k-th line is kept, k growing with the file so that the table never
exceeds `MAX_TABLE` entries; a look-up reads the few lines around the wanted one and finds its key there. Any other
numbering falls back to two int64 arrays.
"""

import os
import weakref
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from facejobs.data.errors import DataError
from facejobs.data.reading import reading

Int64Array = npt.NDArray[np.int64]

MAX_TABLE = 1 << 16
_FIRST_STRIDE = 64
_CHUNK_BYTES = 1 << 18
_MAX_DIGITS = 18
_TAB, _NEWLINE, _RETURN, _ZERO = b"\t\n\r0"


class RecordIndex(ABC):
    """Record numbers and their byte offsets. Safe from many threads and after a fork."""

    path: Path

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of records."""

    @abstractmethod
    def key_at(self, rank: int) -> int:
        """Return the key of rank 0..len-1 in ascending order of keys."""

    @abstractmethod
    def rank_of(self, key: int) -> int | None:
        """Return the rank of `key`, None if there is no such key."""

    @abstractmethod
    def offset_of(self, key: int) -> int:
        """Return the byte offset of record `key`; DataError if the index has no line for it."""

    def _absent(self, key: int) -> DataError:
        return DataError(f"{self.path}: no line for record {key}; `facejobs data repair` rebuilds the index")


def open_index(path: Path) -> RecordIndex:
    """Open an `.idx` file; DataError if it is missing, empty, malformed, or holds a key twice."""
    try:
        with reading(path):
            file = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `facejobs data repair {path.parent}` builds it") from None
    with file:
        sequential = _survey(path, file)
        if sequential is not None:
            return sequential
    keys, offsets = read_index(path)
    if len(keys) == 0:
        raise DataError(f"{path}: the index is empty; `facejobs data repair {path.parent}` rebuilds it")
    order = np.argsort(keys, kind="stable")
    keys, offsets = keys[order], offsets[order]
    repeated = np.flatnonzero(keys[1:] == keys[:-1])
    if len(repeated):
        key = keys[repeated[0]]
        raise DataError(f"{path}: record {key} has several lines; `facejobs data repair {path.parent}` rebuilds it")
    return _ArrayIndex(path, keys, offsets)


def read_index(path: Path) -> tuple[Int64Array, Int64Array]:
    """Return the keys and byte offsets of all lines, in the order of the file; DataError names a malformed line."""
    keys: list[Int64Array] = []
    offsets: list[Int64Array] = []
    line = 1
    with reading(path), path.open("rb") as file:
        for _, block in _whole_lines(path, file):
            ends = np.flatnonzero(block == _NEWLINE)
            starts = np.concatenate(([0], ends[:-1] + 1))
            block_keys, tabs = _parse_numbers(block, starts)
            block_offsets, stops = _parse_numbers(block, np.minimum(tabs + 1, len(block) - 1))
            stops += (block[stops] == _RETURN) & (stops < ends)
            good = (tabs > starts) & (block[tabs] == _TAB) & (stops > tabs + 1) & (stops == ends)
            if not good.all():
                bad = int(np.argmin(good))
                raise _malformed(path, line + bad, block[starts[bad] : ends[bad]].tobytes())
            keys.append(block_keys)
            offsets.append(block_offsets)
            line += len(ends)
    if not keys:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(keys), np.concatenate(offsets)


class _SequentialIndex(RecordIndex):
    """Keys first, first + 1, … in the order of the lines, the last line perhaps being that of key 0."""

    def __init__(self, path: Path, table: Int64Array, stride: int, lines: int, first: int, zero_last: bool) -> None:
        self.path = path
        self._table = array("q", table.tobytes())  # gives plain ints, several times faster than numpy does
        self._stride = stride
        self._lines = lines
        self._first = first
        self._zero_last = zero_last
        # pread shares no position, unlike a file object, hence threads and forked children may use one descriptor.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self._lines

    def key_at(self, rank: int) -> int:
        if self._zero_last:
            return self._first + rank - 1 if rank else 0
        return self._first + rank

    def rank_of(self, key: int) -> int | None:
        if key == 0 and self._zero_last:
            return 0
        line = key - self._first
        return line + self._zero_last if 0 <= line < self._lines - self._zero_last else None

    def offset_of(self, key: int) -> int:
        line = self._lines - 1 if key == 0 and self._zero_last else key - self._first
        if not 0 <= line < self._lines:
            raise self._absent(key)
        block = line // self._stride
        start = self._table[block]
        text = os.pread(self._descriptor, self._table[block + 1] - start, start)
        wanted = b"%d\t" % key
        at = 0 if text.startswith(wanted) else text.find(b"\n" + wanted) + 1
        if at == 0 and not text.startswith(wanted):
            raise self._absent(key)
        end = text.find(b"\n", at)
        digits = text[at + len(wanted) : end if end >= 0 else len(text)].rstrip(b"\r")
        if not digits.isdigit() or len(digits) > _MAX_DIGITS:
            raise _malformed(self.path, line + 1, wanted + digits)
        return int(digits)


class _ArrayIndex(RecordIndex):
    """Any numbering: sorted keys and their offsets, 16 bytes a record."""

    def __init__(self, path: Path, keys: Int64Array, offsets: Int64Array) -> None:
        self.path = path
        self._keys = keys
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._keys)

    def key_at(self, rank: int) -> int:
        return int(self._keys[rank])

    def rank_of(self, key: int) -> int | None:
        rank = int(np.searchsorted(self._keys, key))
        return rank if rank < len(self._keys) and self._keys[rank] == key else None

    def offset_of(self, key: int) -> int:
        rank = self.rank_of(key)
        if rank is None:
            raise self._absent(key)
        return int(self._offsets[rank])


def _survey(path: Path, file: BinaryIO) -> _SequentialIndex | None:
    """Note where every k-th line starts; None if the keys are not in a row. The offsets are not looked at yet."""
    stride, lines, first, size = _FIRST_STRIDE, 0, 0, 0
    zero_last = in_a_row = False
    table = np.empty(0, np.int64)
    for position, block in _whole_lines(path, file):
        ends = np.flatnonzero(block == _NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        chosen = np.arange(-lines % stride, len(starts), stride)
        keys, tabs = _parse_numbers(block, starts)
        if lines == 0:
            first = int(keys[0])
        if zero_last:
            return None  # key 0 stood at the end of the previous block, which was not the end of the file
        zero_last = first != 0 and int(keys[-1]) == 0
        good = keys == np.arange(first + lines, first + lines + len(keys))
        good[-1] |= zero_last
        in_a_row = bool((good & (block[tabs] == _TAB) & (tabs > starts)).all())
        if not in_a_row:
            return None
        table = np.concatenate((table, starts[chosen] + position))
        lines += len(starts)
        size = position + len(block)
        while len(table) > MAX_TABLE:
            table = table[::2].copy()
            stride *= 2
    if not in_a_row:
        return None
    return _SequentialIndex(path, np.append(table, size), stride, lines, first, zero_last)


def _whole_lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield (byte position, bytes) of stretches of about a megabyte that each end with a newline."""
    position, rest = 0, b""
    while chunk := file.read(_CHUNK_BYTES):
        text = rest + chunk
        end = text.rfind(b"\n") + 1
        if end:
            yield position, np.frombuffer(text, np.uint8, count=end)
            position += end
        rest = text[end:]
        if len(rest) > _CHUNK_BYTES:
            raise DataError(f"{path}: the line at byte {position} never ends; expected key<TAB>offset")
    if rest:
        yield position, np.frombuffer(rest + b"\n", np.uint8)


def _parse_numbers(block: npt.NDArray[np.uint8], starts: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the decimal numbers that start at `starts` and the position of the byte that ends each.

    `block` ends with a newline, so no number runs past it. A number of more than 18 digits ends after the 18th.
    """
    values = np.zeros(len(starts), np.int64)
    stops = starts.copy()
    for _ in range(_MAX_DIGITS):
        digits = block[stops] - _ZERO
        going = digits < 10
        if not going.any():
            break
        values = np.where(going, values * 10 + digits, values)
        stops += going
    return values, stops


def _malformed(path: Path, line: int, text: bytes) -> DataError:
    shown = text[:60].decode("utf-8", errors="replace")
    repair = f"`facejobs data repair {path.parent}` rebuilds it"
    return DataError(f"{path}: line {line}: expected key<TAB>offset, found {shown!r}; {repair}")
