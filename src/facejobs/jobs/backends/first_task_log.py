"""The log of a version's first task, as most backends show it."""

import contextlib
import time
from collections.abc import Callable, Iterator

from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

LOG = "logs/task-0.log"


def stored_log(version: ObjectStore, start: int = 0) -> bytes:
    """The log from a byte on, as it was last uploaded to the version folder; empty before it was."""
    with contextlib.suppress(NotFoundError):
        return version.read(LOG, start)
    return b""


def log_lines(read: Callable[[int], bytes], ended: Callable[[], bool], follow: bool, pause: float) -> Iterator[str]:
    """Lines, without newlines, of what `read(start)` gives; with `follow`, those to come until the version has `ended`.

    `pause` is how many seconds to wait while there is nothing new.
    """
    position, rest = 0, b""
    while True:
        # Asked before reading: what is logged after an end is not lost.
        last = not follow or ended()
        data = read(position)
        position += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
        if last:
            break
        if not data:
            time.sleep(pause)
    if rest:
        yield rest.decode(errors="replace")
