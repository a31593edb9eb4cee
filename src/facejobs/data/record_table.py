"""All records of a `.rec` in the order of the file, as compact columns: what `check` and `repair` work on."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from facejobs.data.image_record import ImageRecord, unpack_image_record
from facejobs.data.recordio import Damage, Record, RecordReader

Progress = Callable[[int, int], None]
"""Called now and then with (bytes done, bytes in all)."""

Int64Array = npt.NDArray[np.int64]

_PROGRESS_EVERY = 256


@dataclass
class RecordTable:
    """One row per whole record (about 34 bytes each), and the damaged stretches between them."""

    offsets: array[int] = field(default_factory=lambda: array("q"))
    ids: array[int] = field(default_factory=lambda: array("Q"))
    labels: array[float] = field(default_factory=lambda: array("d"))
    second_labels: array[float] = field(default_factory=lambda: array("d"))
    is_identity: bytearray = field(default_factory=bytearray)
    malformed: dict[int, str] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, record: Record) -> ImageRecord | None:
        """Append a row; return the unpacked record, or None (noted in `malformed`) if it is no image record."""
        try:
            unpacked = unpack_image_record(record.payload)
        except ValueError as error:
            self.malformed[len(self)] = str(error)
            unpacked = None
        self.offsets.append(record.offset)
        self.ids.append(unpacked.id if unpacked else 0)
        self.labels.append(unpacked.labels[0] if unpacked else np.nan)
        self.second_labels.append(unpacked.labels[1] if unpacked and unpacked.is_identity else np.nan)
        self.is_identity.append(bool(unpacked and unpacked.is_identity))
        return unpacked


def scan_table(
    reader: RecordReader, progress: Progress, on_record: Callable[[int, ImageRecord], None] | None = None
) -> RecordTable:
    """Read every record of a file; `on_record` gets the row and the unpacked record of each."""
    table = RecordTable()
    for item in reader.scan():
        if isinstance(item, Damage):
            table.damage.append(item)
            continue
        row = len(table)
        unpacked = table.add(item)
        if unpacked and on_record:
            on_record(row, unpacked)
        if row % _PROGRESS_EVERY == 0:
            progress(item.end, reader.size)
    progress(reader.size, reader.size)
    return table


def number_records(table: RecordTable) -> tuple[Int64Array, bool]:
    """Return the record number of every row, and whether the records themselves told it.

    im2rec and InsightFace write the record number into the header's id. Where the ids are not all different (other
    tools leave them 0) the position counts instead: from 0 in files without identity records; with them from 1, the
    first or the last record being record 0 if it is one of InsightFace's bookkeeping records.
    """
    if (keys := _ids_as_keys(table)) is not None:
        return keys, True
    rows = np.arange(len(table), dtype=np.int64)
    if not any(table.is_identity) or table.is_identity[0]:
        return rows, False
    keys = rows + 1
    if table.is_identity[-1]:
        keys[-1] = 0
    return keys, False


def _ids_as_keys(table: RecordTable) -> Int64Array | None:
    """Return the ids if they can be record numbers. In a file numbered in a row, a single id that breaks the row
    (a damaged header) is corrected from its neighbours.
    """
    ids = np.array(table.ids, np.uint64)
    if (ids >= 2**62).any():
        return None
    keys = ids.astype(np.int64)
    if (np.diff(keys) == 1).sum() * 2 > len(keys):
        before, after = keys[:-2], keys[2:]
        broken = np.flatnonzero((after - before == 2) & (keys[1:-1] != before + 1)) + 1
        keys[broken] = keys[broken - 1] + 1
    return keys if len(np.unique(keys)) == len(keys) else None
