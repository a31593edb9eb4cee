"""RecordIO, the container format of `.rec` files, read from a memory map and written as a stream.

The format is that of dmlc-core's `recordio.h`, as MXNet 1.x uses it. A record is one or more parts; a part is

    u32 magic 0xced7230a | u32 cflag << 29 | length | payload, padded with zeros to a multiple of four bytes

all little-endian. A payload that itself holds the magic at a multiple of four bytes is cut there: the magic is left
out and the pieces become parts with cflag 1 (first), 2 (middle) and 3 (last). A whole record has cflag 0. Hence an
aligned magic always is the start of a part, which is what makes resynchronising after damage possible.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from facejobs.data.errors import DataError
from facejobs.data.reading import reading

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
LENGTH_BITS = 29
MAX_LENGTH = (1 << LENGTH_BITS) - 1
PART_HEADER = struct.Struct("<II")

WHOLE, FIRST, MIDDLE, LAST = range(4)


class RecordError(DataError):
    """A record that cannot be read: which file, which byte, which record number where it is known, and why."""

    def __init__(self, path: Path, offset: int, problem: str, key: int | None = None) -> None:
        self.path = path
        self.offset = offset
        self.problem = problem
        self.key = key
        record = "record" if key is None else f"record {key}"
        super().__init__(f"{path}: {record} at byte {offset}: {problem}")


class Record(NamedTuple):
    """A record met while scanning: its first byte, the byte after its padding, and its rejoined payload."""

    offset: int
    end: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `offset` to `end` of a file hold no whole record; `problem` says what is wrong at `offset`."""

    offset: int
    end: int
    problem: str


class RecordReader:
    """Random and sequential access to the records of one file.

    Nothing is kept between calls but the memory map, so one reader serves many threads and survives a fork. Payloads
    are views of the map (no copy) unless the record is split; they stay valid for as long as they are referenced.
    """

    def __init__(self, path: Path) -> None:
        """Map `path`; DataError if it is missing or empty."""
        self.path = path
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        with reading(path), path.open("rb") as file:
            self.size = path.stat().st_size
            if self.size == 0:
                raise DataError(f"{path}: the file is empty; copy or build it again")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map)
        self.size = len(self._view)

    def read(self, offset: int) -> memoryview:
        """Return the payload of the record that starts at byte `offset`; RecordError if no whole record does."""
        view = self._view
        if offset & 3 == 0 and 0 <= offset <= self.size - 8:
            magic, word = PART_HEADER.unpack_from(view, offset)
            end = offset + 8 + word
            if magic == MAGIC and word <= MAX_LENGTH and end + (-word & 3) <= self.size:
                return view[offset + 8 : end]
        return self._read_slowly(offset).payload

    def scan(self, offset: int = 0) -> Iterator[Record | Damage]:
        """Yield every whole record from `offset` on, and a Damage for each stretch of bytes that holds none."""
        view, size, unpack = self._view, self.size, PART_HEADER.unpack_from
        while offset < size:
            if offset + 8 <= size and offset & 3 == 0:
                magic, word = unpack(view, offset)
                start = offset + 8
                after = start + word + (-word & 3)
                if magic == MAGIC and word <= MAX_LENGTH and after <= size:
                    yield Record(offset, after, view[start : start + word])
                    offset = after
                    continue
            try:
                record = self._read_slowly(offset)
            except RecordError as error:
                end = self._next_start(offset)
                yield Damage(offset, end, error.problem)
                offset = end
            else:
                yield record
                offset = record.end

    def _read_slowly(self, offset: int) -> Record:
        flag, start, end, after = self._part(offset, offset)
        if flag == WHOLE:
            return Record(offset, after, self._view[start:end])
        if flag != FIRST:
            raise RecordError(self.path, offset, "this is a later part of a split record, its first part is missing")
        pieces = [self._view[start:end]]
        while flag != LAST:
            here = after
            flag, start, end, after = self._part(here, offset)
            if flag not in (MIDDLE, LAST):
                raise RecordError(self.path, offset, f"a split record lacks its next part at byte {here}")
            pieces.append(self._view[start:end])
        return Record(offset, after, memoryview(MAGIC_BYTES.join(pieces)))

    def _part(self, offset: int, record_offset: int) -> tuple[int, int, int, int]:
        """Return (cflag, payload start, payload end, byte after the padding) of the part at `offset`."""
        if offset & 3 or offset < 0:
            raise RecordError(self.path, record_offset, "a record starts at a multiple of 4 bytes, this does not")
        if offset + 8 > self.size:
            raise RecordError(self.path, record_offset, f"the file ends at byte {self.size}, before the record does")
        magic, word = PART_HEADER.unpack_from(self._view, offset)
        if magic != MAGIC:
            raise RecordError(self.path, record_offset, f"no record starts here (0x{magic:08x}, not 0x{MAGIC:08x})")
        flag, length = word >> LENGTH_BITS, word & MAX_LENGTH
        if flag > LAST:
            raise RecordError(self.path, record_offset, f"the part flag is {flag}; only 0 to 3 exist")
        start = offset + 8
        end = start + length
        after = end + (-length & 3)
        if after > self.size:
            problem = f"the record needs {after - self.size} bytes more, the file ends at byte {self.size}"
            raise RecordError(self.path, record_offset, problem)
        return flag, start, end, after

    def _next_start(self, offset: int) -> int:
        """Return where the next record after `offset` plausibly starts, or the size of the file."""
        at = offset + 1
        while (at := self._map.find(MAGIC_BYTES, at)) >= 0:
            try:
                flag, *_ = self._part(at, at)
            except RecordError:
                flag = -1
            if flag in (WHOLE, FIRST):
                return at
            at += 1
        return self.size


def encode_record(payload: bytes | memoryview) -> bytes:
    """Return the bytes of one record, split wherever the payload holds the aligned magic."""
    if len(payload) > MAX_LENGTH:
        raise DataError(f"a record holds at most {MAX_LENGTH} bytes, this payload has {len(payload)}")
    data = bytes(payload)
    if MAGIC_BYTES not in data:
        return _encode_part(WHOLE, data)
    words = np.frombuffer(data, "<u4", count=len(data) // 4)
    cuts = (np.flatnonzero(words == MAGIC) * 4).tolist()
    if not cuts:
        return _encode_part(WHOLE, data)
    starts = [0, *(cut + 4 for cut in cuts)]
    flags = [FIRST, *[MIDDLE] * (len(cuts) - 1), LAST]
    return b"".join(
        _encode_part(flag, data[start:end]) for flag, start, end in zip(flags, starts, [*cuts, len(data)], strict=True)
    )


def _encode_part(flag: int, data: bytes) -> bytes:
    return PART_HEADER.pack(MAGIC, flag << LENGTH_BITS | len(data)) + data + bytes(-len(data) & 3)


class RecordWriter:
    """Appends records to a `.rec` stream and their `key<TAB>offset` lines to an `.idx` stream."""

    def __init__(self, records: BinaryIO, index: BinaryIO) -> None:
        """Write to two streams opened for writing, both at their start; the caller closes them."""
        self._records = records
        self._index = index
        self.size = 0

    def write(self, key: int, payload: bytes | memoryview) -> int:
        """Append one record under the number `key`; return the byte offset at which it starts."""
        offset = self.size
        encoded = encode_record(payload)
        self._records.write(encoded)
        self._index.write(b"%d\t%d\n" % (key, offset))
        self.size += len(encoded)
        return offset
