"""Output that appears whole or not at all."""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facejobs.data.errors import OutputExistsError
from facejobs.storage.whole_file import NO_ROOM


@contextmanager
def fresh_directory(target: Path) -> Iterator[Path]:
    """Yield an empty directory beside `target` that takes its name when the block ends without an exception.

    `target` must be absent or an empty directory: OutputExistsError otherwise, before anything is written. After an
    exception nothing is left behind; what a killed process left of the same `target` is removed first. An OSError
    about a file in the directory, or about a disk without room, is raised on with the path that `target` gives it.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  (resolve() would follow a link the user chose)
    refuse_existing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _no_folder(target) from None
    work, lock = _make_locked(target)
    try:
        yield work
        _flush(work)
        try:
            work.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                refuse_existing(target)
            raise
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, OSError):
            _name_as_typed(error, work, target)
        raise
    finally:
        os.close(lock)


def _make_locked(target: Path) -> tuple[Path, int]:
    """Make the hidden directory; the returned descriptor locks it, so that others see that its owner lives."""
    _remove_abandoned(target)
    while True:
        work = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
        try:
            work.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            _name_as_typed(error, work, target)
            raise
        try:
            lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # taken for abandoned, and removed, in the moment before it was locked
        # A file system without locks refuses them to those who look for abandoned directories, too.
        if _lock(lock) != errno.EWOULDBLOCK and work.exists():
            return work, lock
        os.close(lock)


def _remove_abandoned(target: Path) -> None:
    prefix = f".{target.name}.partial-"
    for entry in os.scandir(target.parent):
        if not entry.name.startswith(prefix) or not entry.is_dir(follow_symlinks=False):
            continue
        with suppress(OSError):
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if _lock(descriptor) is None:
                    shutil.rmtree(entry.path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> int | None:
    """Lock a directory until its descriptor is closed or its process ends; the error number if that fails."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno
    return None


def _name_as_typed(error: OSError, work: Path, target: Path) -> None:
    if isinstance(error.filename, str | os.PathLike):
        path = Path(error.filename)
        if path.is_relative_to(work):
            error.filename = str(target / path.relative_to(work))
            error.filename2 = None
    elif error.errno in NO_ROOM:
        error.filename = str(target)


def _no_folder(target: Path) -> NotADirectoryError:
    file = next(path for path in target.parents if os.path.lexists(path))
    return NotADirectoryError(errno.ENOTDIR, "no folder can be made in a file", str(file))


def refuse_existing(target: Path) -> None:
    """Raise OutputExistsError unless `target` is absent or an empty directory."""
    if target.is_dir() and not any(target.iterdir()):
        return
    if os.path.lexists(target):
        raise OutputExistsError(f"{target}: exists already and is left as it is; name a new directory or remove it")


def _flush(directory: Path) -> None:
    """Have the directory's own files on disk before its name says that they are complete."""
    for path in directory.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
