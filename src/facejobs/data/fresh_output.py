"""Output that appears whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facejobs.data.errors import DataError, OutputExistsError


@contextmanager
def fresh_directory(target: Path) -> Iterator[Path]:
    """Yield an empty directory beside `target` that takes its name when the block ends without an exception.

    `target` must be absent or an empty directory: OutputExistsError otherwise, before anything is written. After an
    exception nothing is left behind.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  (resolve() would follow a link the user chose)
    _refuse_existing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DataError(f"{target.parent}: is a file, no directory can be made in it") from None
    work = target.with_name(f".{target.name}.partial-{os.getpid()}")
    work.mkdir()
    try:
        yield work
        _flush(work)
        try:
            work.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                _refuse_existing(target)
            raise
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _refuse_existing(target: Path) -> None:
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
