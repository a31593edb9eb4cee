"""Input that the system will not let be read, told as an error of the data rather than of the output."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facejobs.data.errors import DataError
from facejobs.errors import FacejobsError

_PROBLEMS = {
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EACCES: "permission denied; correct the permission, or start as a user who may read it",
    errno.EPERM: "permission denied; correct the permission, or start as a user who may read it",
    errno.EIO: "the disk failed to read it; copy it again from its source",
}


@contextmanager
def reading(path: Path, family: type[FacejobsError] = DataError) -> Iterator[None]:
    """Raise `family` for a refused file or folder, by default `path`; a missing one stays FileNotFoundError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _PROBLEMS:
            raise
        raise family(f"{error.filename or path}: {_PROBLEMS[error.errno]}") from None
