"""How many images a record file holds, told from its index and a few bytes of it (docs/reference/file-formats.md).

InsightFace writes bookkeeping records (flag 2, no image) after all images. The first of them is found by bisection
over the index, which reads a few bytes at each step, so a data set of any size in a bucket is never fetched.
"""

import struct
from typing import NamedTuple

from facejobs.storage.store import ObjectStore

_MAGIC = 0xCED7230A
_LENGTH_BITS = 29
_BOOKKEEPING_FLAG = 2
_BOOKKEEPING_BYTES = 24 + 2 * 4  # header and two labels
_PIECE = 1 << 23
_LINE = 64  # bytes; the longest line has two numbers of at most 20 digits


class _Line(NamedTuple):
    start: int
    end: int
    key: int
    offset: int


def count_images(store: ObjectStore, records: str, index: str, index_size: int) -> int | None:
    """Images in `records`, whose `index` has `index_size` bytes; None if the index is malformed.

    Raises StorageError if either cannot be read.
    """
    try:
        return _count(store, records, index, index_size)
    except (ValueError, struct.error):
        return None


def _count(store: ObjectStore, records: str, index: str, size: int) -> int:
    if size == 0:
        return 0
    first = _line_at(store, index, 0, size)
    low, high = 0, size  # every line that starts before `low` is an image, every line from `high` on is not
    if _is_bookkeeping(store, records, first.offset):
        # Record 0 may come first; whatever else does is no image either.
        low = first.end
    leading = 1 if low else 0
    if low < size and not _is_bookkeeping(store, records, _last_line(store, index, size).offset):
        return _lines(store, index, size) - leading
    while low < high:
        line = _line_at(store, index, (low + high) // 2, size)
        if _is_bookkeeping(store, records, line.offset):
            high = line.start if line.start < high else low
        else:
            low = line.end
    return _lines(store, index, low) - leading


def _line_at(store: ObjectStore, index: str, position: int, size: int) -> _Line:
    """The line that holds the byte at `position`."""
    begin = max(0, position - _LINE)
    text = store.read(index, begin, 2 * _LINE)
    start = text.rfind(b"\n", 0, position - begin) + 1
    if start == 0 and begin > 0:
        raise ValueError("a line without an end")
    end = text.find(b"\n", start)
    if end < 0 and begin + len(text) < size:
        raise ValueError("a line without an end")
    line = text[start:] if end < 0 else text[start:end]
    key, offset = line.split(b"\t")
    return _Line(begin + start, begin + (len(text) if end < 0 else end + 1), int(key), int(offset))


def _last_line(store: ObjectStore, index: str, size: int) -> _Line:
    tail = store.read(index, max(0, size - _LINE), _LINE)
    return _line_at(store, index, size - (len(tail) - len(tail.rstrip())) - 1, size)


def _lines(store: ObjectStore, index: str, end: int) -> int:
    """Lines before byte `end`; the last one may lack its newline."""
    count, last = 0, b"\n"
    for start in range(0, end, _PIECE):
        piece = store.read(index, start, min(_PIECE, end - start))
        count += piece.count(b"\n")
        last = piece[-1:] or last
    return count + (last != b"\n")


def _is_bookkeeping(store: ObjectStore, records: str, offset: int) -> bool:
    magic, length, flag = struct.unpack("<III", store.read(records, offset, 12))
    if magic != _MAGIC:
        raise ValueError("no record starts there")
    return bool(flag == _BOOKKEEPING_FLAG and length & ((1 << _LENGTH_BITS) - 1) == _BOOKKEEPING_BYTES)
