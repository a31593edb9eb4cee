"""Images that occur more than once, byte for byte."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from facejobs.data.check.findings import FindingLog
from facejobs.data.record_table import Int64Array


def check_duplicates(
    digests: npt.NDArray[np.uint64],
    labels: npt.NDArray[np.float64],
    keys: Int64Array,
    offsets: Int64Array,
    content: Callable[[int], bytes],
    log: FindingLog,
) -> None:
    """Note every image equal to an earlier one: a warning within an identity, an error across two.

    One entry per image in each array; `content` gives the bytes of an image, so that equal digests alone convict
    nobody.
    """
    order = np.argsort(digests, kind="stable")
    again = np.flatnonzero(digests[order[1:]] == digests[order[:-1]]) + 1
    if not len(again):
        return
    first_of_run = np.where(np.isin(np.arange(len(order)), again), 0, np.arange(len(order)))
    first_of_run = np.maximum.accumulate(first_of_run)
    pairs = sorted((int(order[place]), int(order[first_of_run[place]])) for place in again)
    for image, earlier in pairs:
        if content(image) != content(earlier):
            continue
        where = f"as record {keys[earlier]} (byte {offsets[earlier]})"
        if labels[image] == labels[earlier]:
            log.warn("duplicate", f"the same image {where}", int(keys[image]), int(offsets[image]))
        else:
            message = f"the same image {where}, but identity {labels[image]:g} here and {labels[earlier]:g} there"
            log.error("duplicate-across-identities", message, int(keys[image]), int(offsets[image]))
