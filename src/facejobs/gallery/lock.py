"""One writer at a time: who changes a gallery holds a lock, which ends with the process at the latest."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facejobs.gallery.errors import GalleryError

LOCK_NAME = "gallery.lock"
_PATIENCE = 600.0
_PAUSE = 0.05


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the gallery in `folder`, waiting up to ten minutes while another process changes it.

    Raises GalleryError if it still does then, or where the file system has no locks; OSError where none may be made.
    """
    path = folder / LOCK_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _wait_for(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise GalleryError(
                    f"{folder}: its file system has no locks ({error.strerror}), so it cannot be changed safely; "
                    "copy the gallery to a local disk, change it there and copy it back"
                ) from None
        else:
            return
        if time.monotonic() > deadline:
            raise GalleryError(
                f"{folder} is being changed by another process for ten minutes already; start again when that has ended"
            )
        time.sleep(_PAUSE)
