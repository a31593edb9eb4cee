"""Rebuild a lost or wrong `.idx` from its `.rec`."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.errors import DataError, OutputExistsError
from facejobs.data.record_folder import find_records
from facejobs.data.record_table import Progress, RecordTable, number_records, scan_table
from facejobs.data.recordio import Damage, RecordReader

_LINES_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair found and did. `backup` is where the old index went, None if there was none."""

    index: Path
    backup: Path | None
    changed: bool
    records: int
    identity_records: int
    numbered_by_ids: bool
    damage: list[Damage]


def repair_index(directory: Path, progress: Progress) -> RepairReport:
    """Write `NAME.idx` of the data set in `directory` anew; an existing one is kept as `NAME.idx.bak`.

    Reads the `.rec` from its first byte, going on after damage at the next place where a whole record starts.
    Nothing is written if the index is right already. Raises DataError if no whole record is found, OutputExistsError
    if there is a `.bak` already.
    """
    folder = find_records(directory)
    reader = RecordReader(folder.records)
    table = scan_table(reader, progress)
    if not len(table):
        raise DataError(f"{folder.records}: holds no whole RecordIO record: {table.damage[0].problem}")
    keys, by_ids = number_records(table)
    work = folder.index.with_name(f".{folder.index.name}.partial-{os.getpid()}")
    try:
        _write_index(work, table, keys.tolist())
        backup, changed = _install(work, folder.index)
    finally:
        work.unlink(missing_ok=True)
    return RepairReport(folder.index, backup, changed, len(table), sum(table.is_identity), by_ids, table.damage)


def _write_index(path: Path, table: RecordTable, keys: list[int]) -> None:
    with path.open("wb") as file:
        for start in range(0, len(keys), _LINES_AT_ONCE):
            stop = start + _LINES_AT_ONCE
            rows = zip(keys[start:stop], table.offsets[start:stop], strict=True)
            file.write(b"".join(b"%d\t%d\n" % row for row in rows))
        file.flush()
        os.fsync(file.fileno())


def _install(work: Path, index: Path) -> tuple[Path | None, bool]:
    """Put the new index in place; return where the old one went and whether anything changed."""
    if not index.exists():
        work.rename(index)
        return None, True
    if index.is_dir():
        raise DataError(f"{index}: is a folder, not a file; move it away, then repair again")
    if _same_content(work, index):
        return None, False
    backup = index.with_name(index.name + ".bak")
    if os.path.lexists(backup):
        raise OutputExistsError(f"{backup}: an earlier backup is there already; move it away, then repair again")
    # A copy, not a rename: at no moment is the data set without an index.
    partial = work.with_name(work.name + "-bak")
    try:
        shutil.copy2(index, partial)
        partial.rename(backup)
    finally:
        partial.unlink(missing_ok=True)
    work.rename(index)
    return backup, True


def _same_content(first: Path, second: Path) -> bool:
    if first.stat().st_size != second.stat().st_size:
        return False
    with first.open("rb") as one, second.open("rb") as other:
        while chunk := one.read(1 << 20):
            if chunk != other.read(1 << 20):
                return False
    return True
