"""Labels, images per identity, and InsightFace's identity records against them."""

import numpy as np
import numpy.typing as npt

from facejobs.data.check.findings import SHOWN_PER_KIND, FindingLog
from facejobs.data.property_file import DatasetProperty
from facejobs.data.record_table import Int64Array, RecordTable


def check_labels(
    labels: npt.NDArray[np.float64], keys: Int64Array, offsets: Int64Array, num_classes: int | None, log: FindingLog
) -> None:
    """Note labels that are no whole number, negative, or beyond `property`; one entry per image in each array."""
    whole = np.isfinite(labels) & (np.floor(labels) == labels)
    bad = ~whole | (labels < 0)
    if num_classes is not None:
        bad |= whole & (labels >= num_classes)
    for image in np.flatnonzero(bad):
        label = labels[image]
        if not whole[image]:
            message = f"the label {label:g} is no whole number"
        elif label < 0:
            message = f"the label {label:.0f} is negative"
        else:
            message = f"the label {label:.0f} is beyond property, which allows 0 to {(num_classes or 0) - 1}"
        log.error("label", message, int(keys[image]), int(offsets[image]))


def count_identities(labels: npt.NDArray[np.float64]) -> tuple[Int64Array, Int64Array]:
    """Return the identities that have images, ascending, and how many each has; unusable labels count for nothing."""
    usable = labels[np.isfinite(labels) & (labels >= 0) & (np.floor(labels) == labels)]
    identities, counts = np.unique(usable.astype(np.int64), return_counts=True)
    return identities, counts.astype(np.int64)


def check_identities(
    declared: DatasetProperty | None, identities: Int64Array, table: RecordTable, keys: Int64Array, log: FindingLog
) -> None:
    """Compare `property` and the identity records with the identities that really have images.

    An identity record holds (first, last + 1) of its images' record numbers, record 0 those of the identity records.
    They are compared as float32, which is what they are stored as.
    """
    rows = np.flatnonzero(np.frombuffer(table.is_identity, np.bool_)) if len(table) else np.empty(0, np.int64)
    identity_rows = rows[keys[rows] != 0]
    identity_rows = identity_rows[np.argsort(keys[identity_rows], kind="stable")]
    if declared:
        _check_class_count(declared, identities, identity_rows, table, keys, log)
    if not len(rows):
        return
    header_rows = rows[keys[rows] == 0]
    if not len(header_rows):
        log.warn("identity-record", "record 0, which InsightFace files end with, is missing")
    elif len(identity_rows):
        expected = (int(keys[identity_rows[0]]), int(keys[identity_rows[-1]]) + 1)
        _check_range(table, keys, int(header_rows[0]), expected, "the identity records are", log)
    _check_ranges(table, keys, identity_rows, log)


def _check_class_count(
    declared: DatasetProperty,
    identities: Int64Array,
    identity_rows: Int64Array,
    table: RecordTable,
    keys: Int64Array,
    log: FindingLog,
) -> None:
    known = identities[identities < declared.num_classes]
    if len(identity_rows) and len(identity_rows) != declared.num_classes:
        message = f"property says {declared.num_classes} identities, the .rec has {len(identity_rows)} identity records"
        log.error("property", message)
    absent_count = declared.num_classes - len(known)
    # Among the first len(known) + SHOWN_PER_KIND numbers at least SHOWN_PER_KIND are absent, if that many are at all.
    candidates = np.arange(min(declared.num_classes, len(known) + SHOWN_PER_KIND))
    absent = np.setdiff1d(candidates, known, assume_unique=True)[:SHOWN_PER_KIND]
    for identity in absent:
        row = int(identity_rows[identity]) if identity < len(identity_rows) else None
        record = None if row is None else int(keys[row])
        offset = None if row is None else table.offsets[row]
        log.warn("empty-identity", f"identity {identity} has no image", record, offset)
    log.more("warning", "empty-identity", absent_count - len(absent))


def _check_ranges(table: RecordTable, keys: Int64Array, identity_rows: Int64Array, log: FindingLog) -> None:
    is_image = ~np.frombuffer(table.is_identity, np.bool_)
    labels = np.frombuffer(table.labels, np.float64)[is_image]
    image_keys = keys[is_image]
    order = np.lexsort((image_keys, labels))
    labels, image_keys = labels[order], image_keys[order]
    first = np.searchsorted(labels, np.arange(len(identity_rows)), side="left")
    after = np.searchsorted(labels, np.arange(len(identity_rows)), side="right")
    for identity, row in enumerate(identity_rows.tolist()):
        if first[identity] == after[identity]:
            continue
        expected = (int(image_keys[first[identity]]), int(image_keys[after[identity] - 1]) + 1)
        _check_range(table, keys, row, expected, f"the images of identity {identity} are", log)


def _check_range(
    table: RecordTable, keys: Int64Array, row: int, expected: tuple[int, int], what: str, log: FindingLog
) -> None:
    stored = (np.float32(table.labels[row]), np.float32(table.second_labels[row]))
    if stored != (np.float32(expected[0]), np.float32(expected[1])):
        message = f"says {stored[0]:.0f} to {stored[1]:.0f}, {what} {expected[0]} to {expected[1]} (exclusive)"
        log.warn("identity-record", message, int(keys[row]), table.offsets[row])
