"""The data check: everything that is wrong with a record data set, found in one reading."""

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facejobs.data.check.duplicates import check_duplicates
from facejobs.data.check.findings import FindingCounts, FindingLog
from facejobs.data.check.identities import check_identities, check_labels, count_identities
from facejobs.data.check.image_list import check_list
from facejobs.data.check.images import ImageColumns, ImageJudge
from facejobs.data.check.index import check_index
from facejobs.data.check.spread import Spread, spread_of
from facejobs.data.errors import DataError
from facejobs.data.image_record import ImageRecord, unpack_image_record
from facejobs.data.property_file import DatasetProperty, read_property
from facejobs.data.record_folder import RecordFolder, find_records
from facejobs.data.record_table import Int64Array, Progress, RecordTable, scan_table
from facejobs.data.recordio import RecordReader

_IMAGES_PER_IDENTITY = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class CheckReport(FindingCounts):
    """What `check_records` found. `records` counts whole records; sizes are (height, width) in pixels."""

    path: Path
    bytes: int
    layout: Literal["InsightFace", "im2rec"]
    records: int
    images: int
    identities: int
    declared: DatasetProperty | None
    image_sizes: dict[tuple[int, int], int]
    images_per_identity: Spread | None
    findings: FindingLog


def check_records(directory: Path, threads: int, progress: Progress) -> CheckReport:
    """Read every record of the data set in `directory`, decode every image, and compare all its files.

    Damage is noted and read past. Memory is some 150 bytes a record. Raises DataError only where there is nothing to
    check: no directory, no `.rec` or several, an empty one.
    """
    folder = find_records(directory)
    log = FindingLog()
    declared = _declared(folder, log)
    reader = RecordReader(folder.records)
    judge = ImageJudge((declared.height, declared.width) if declared else None, threads)

    def take(row: int, record: ImageRecord) -> None:
        if not record.is_identity:
            judge.add(row, record.image)

    try:
        table = scan_table(reader, progress, take)
        images = judge.finish()
    finally:
        judge.close()
    _note_damage(table, reader.size, log)
    keys = check_index(folder.index, table, reader.size, log)
    _note_unusable(table, keys, images, declared, log)
    return _compare(folder, reader, table, keys, images, declared, log)


def _compare(
    folder: RecordFolder,
    reader: RecordReader,
    table: RecordTable,
    keys: Int64Array,
    images: ImageColumns,
    declared: DatasetProperty | None,
    log: FindingLog,
) -> CheckReport:
    rows = np.array(images.rows, np.int64)
    offsets = np.array(table.offsets, np.int64)[rows]
    labels = np.array(table.labels, np.float64)[rows]
    image_keys = keys[rows]
    check_labels(labels, image_keys, offsets, declared.num_classes if declared else None, log)
    identities, counts = count_identities(labels)
    check_identities(declared, identities, table, keys, log)

    def content(image: int) -> bytes:
        return bytes(unpack_image_record(reader.read(int(offsets[image]))).image)

    check_duplicates(np.array(images.digests, np.uint64), labels, image_keys, offsets, content, log)
    if folder.image_list.exists():
        check_list(folder.image_list, labels, image_keys, offsets, log)
    return CheckReport(
        path=folder.records,
        bytes=reader.size,
        layout="InsightFace" if any(table.is_identity) else "im2rec",
        records=len(table),
        images=len(rows),
        identities=len(identities),
        declared=declared,
        image_sizes=images.sizes,
        images_per_identity=spread_of(counts, _IMAGES_PER_IDENTITY),
        findings=log,
    )


def _declared(folder: RecordFolder, log: FindingLog) -> DatasetProperty | None:
    try:
        return read_property(folder.property_file)
    except DataError as error:
        log.error("property", str(error))
        return None


def _note_damage(table: RecordTable, size: int, log: FindingLog) -> None:
    for damage in table.damage:
        before = bisect_left(table.offsets, damage.offset)
        if damage.end == size:
            message = f"the .rec is truncated or damaged at its end, {before} records are whole: {damage.problem}"
        else:
            message = f"bytes {damage.offset} to {damage.end - 1} hold no whole record: {damage.problem}"
        log.error("damage", message, None, damage.offset)


def _note_unusable(
    table: RecordTable, keys: Int64Array, images: ImageColumns, declared: DatasetProperty | None, log: FindingLog
) -> None:
    for row, problem in table.malformed.items():
        log.error("unreadable", problem, int(keys[row]), table.offsets[row])
    for row, problem in images.problems:
        log.error("unreadable", problem, int(keys[row]), table.offsets[row])
    log.more("error", "unreadable", images.unreadable - len(images.problems))
    if declared:
        for row, (height, width) in images.other_sizes:
            message = f"the image is {width}x{height} pixels, property says {declared.width}x{declared.height}"
            log.error("image-size", message, int(keys[row]), table.offsets[row])
        readable = sum(images.sizes.values())
        unlisted = readable - images.sizes.get((declared.height, declared.width), 0) - len(images.other_sizes)
        log.more("error", "image-size", unlisted)
