"""Files that appear whole or not at all: written beside their name, then renamed."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facejobs.storage.keys import TEMPORARY

_TRIES = 5
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Where the block finds no room to write, its OSError names `path`: a full disk is mended only if it is known."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in NO_ROOM:
            error.filename = str(path)
        raise


@contextmanager
def whole_file(path: Path, durable: bool = False) -> Iterator[int]:
    """A descriptor to write to; when the block ends without an error, the file takes its name.

    Missing folders are made. With `durable`, the bytes and the name survive a power cut. Raises OSError.
    """
    with _beside(path) as (temporary, descriptor):
        yield descriptor
        if durable:
            os.fsync(descriptor)
        temporary.replace(path)
    if durable:
        sync_folder(path.parent)


def link_new_file(path: Path, data: bytes) -> bool:
    """Make a file, whole and durable, unless the name is taken (False): the system gives a name to one link only.

    Raises OSError; its errno is ENOTSUP where the file system has no hard links.
    """
    with _beside(path) as (temporary, descriptor):
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            # EPERM is what Linux says of a file system that has none; elsewhere it means a missing right.
            if error.errno in _NO_HARD_LINKS:
                raise OSError(errno.ENOTSUP, error.strerror, str(path)) from None
            raise
    sync_folder(path.parent)
    return True


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, int]]:
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    descriptor = _create(temporary)
    try:
        try:
            with naming(path):
                yield temporary, descriptor
        finally:
            os.close(descriptor)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _create(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for _ in range(_TRIES):
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:
            # Nobody made the folder yet, or another process deleted its last file and with it the folder.
            path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, flags, 0o666)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: "bytes | memoryview", offset: int) -> None:
    """Write at a position, however many calls the system takes for it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def read_exactly(descriptor: int, length: int, offset: int) -> bytes:
    """Read at a position; fewer bytes only where the file ends."""
    data = os.pread(descriptor, length, offset)
    while 0 < len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
