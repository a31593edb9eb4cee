"""Compare a `.lst` with the images that are really in the `.rec`."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from facejobs.data.check.findings import FindingLog
from facejobs.data.errors import DataError
from facejobs.data.labels import read_list
from facejobs.data.record_table import Int64Array

KIND = "list"


def check_list(
    path: Path, labels: npt.NDArray[np.float64], keys: Int64Array, offsets: Int64Array, log: FindingLog
) -> None:
    """Note lines without an image, images without a line, and labels that differ; one entry per image in each array."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    listed = np.zeros(len(keys), np.bool_)
    try:
        for entry in read_list(path):
            rank = int(np.searchsorted(sorted_keys, entry.key))
            if rank == len(keys) or sorted_keys[rank] != entry.key:
                log.error(KIND, f"{path.name} line {entry.line} is about an image that is not in the .rec", entry.key)
                continue
            image = int(order[rank])
            listed[image] = True
            if np.float32(entry.label) != np.float32(labels[image]):
                message = f"{path.name} line {entry.line} says label {entry.label:g}, the record {labels[image]:g}"
                log.error(KIND, message, entry.key, int(offsets[image]))
    except DataError as error:
        log.error(KIND, str(error))
        return
    for image in np.flatnonzero(~listed):
        log.warn(KIND, f"{path.name} has no line for this image", int(keys[image]), int(offsets[image]))
