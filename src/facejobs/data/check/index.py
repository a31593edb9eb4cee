"""Compare an `.idx` with the records that are really in the `.rec`."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from facejobs.data.check.findings import FindingLog
from facejobs.data.errors import DataError
from facejobs.data.record_index import read_index
from facejobs.data.record_table import Int64Array, RecordTable, number_records

KIND = "index"


def check_index(path: Path, table: RecordTable, file_size: int, log: FindingLog) -> Int64Array:
    """Return the record number of every row, noting where the index and the records disagree.

    The number is the index's where it has a line for that byte, the one `number_records` gives otherwise.
    """
    numbered, by_ids = number_records(table)
    try:
        keys, offsets = read_index(path)
    except FileNotFoundError:
        log.error(KIND, f"{path.name} is missing: run `facejobs data repair {path.parent}`")
        return numbered
    except DataError as error:
        log.error(KIND, str(error))
        return numbered
    if not len(keys):
        log.error(KIND, f"{path.name} is empty: run `facejobs data repair {path.parent}`")
        return numbered
    starts = np.frombuffer(table.offsets, np.int64) if len(table) else np.empty(0, np.int64)
    row_of_line = _find(starts, offsets)
    _check_lines(path, keys, offsets, row_of_line, file_size, log)
    _check_repeated(path, keys, log)
    line_of_row = np.full(len(table), -1, np.int64)
    found = row_of_line >= 0
    line_of_row[row_of_line[found]] = np.flatnonzero(found)
    lines = line_of_row >= 0
    result = numbered.copy()
    result[lines] = keys[line_of_row[lines]]
    for row in np.flatnonzero(~lines):
        log.error(KIND, f"{path.name} has no line for this record", int(numbered[row]), int(starts[row]))
    if by_ids:
        _check_ids(path, result, numbered, starts, lines, log)
    return result


def _find(starts: Int64Array, offsets: Int64Array) -> Int64Array:
    """Return the row whose record starts at each offset, -1 where none does."""
    if not len(starts):
        return np.full(len(offsets), -1, np.int64)
    rows = np.minimum(np.searchsorted(starts, offsets), len(starts) - 1)
    return np.where(starts[rows] == offsets, rows, -1)


def _check_lines(
    path: Path, keys: Int64Array, offsets: Int64Array, rows: Int64Array, file_size: int, log: FindingLog
) -> None:
    for line in np.flatnonzero(rows < 0):
        offset = int(offsets[line])
        beyond = f"beyond the end of the .rec ({file_size} bytes)" if offset >= file_size else "where no record starts"
        log.error(KIND, f"{path.name} line {line + 1} points to byte {offset}, {beyond}", int(keys[line]), offset)


def _check_repeated(path: Path, keys: Int64Array, log: FindingLog) -> None:
    order = np.argsort(keys, kind="stable")
    again = order[1:][keys[order[1:]] == keys[order[:-1]]]
    for line in np.sort(again):
        log.error(KIND, f"{path.name} line {line + 1} names a record that another line names too", int(keys[line]))


def _check_ids(
    path: Path, keys: Int64Array, ids: Int64Array, starts: Int64Array, lines: npt.NDArray[np.bool_], log: FindingLog
) -> None:
    """Where most headers hold their record number, the others show lines that were mixed up."""
    wrong = lines & (keys != ids)
    if wrong.sum() * 2 >= max(1, lines.sum()):
        return
    for row in np.flatnonzero(wrong):
        message = f"{path.name} calls this record {keys[row]}, its header says {ids[row]}"
        log.error(KIND, message, int(keys[row]), int(starts[row]))
