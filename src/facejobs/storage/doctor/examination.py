"""Tries everything that facejobs asks of a place, and says in words what is wrong with it. Leaves nothing behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facejobs.storage.doctor.checks import Check, Step, run_steps
from facejobs.storage.doctor.contact import Contact
from facejobs.storage.doctor.probe import Probe
from facejobs.storage.errors import StorageError
from facejobs.storage.local import LocalStore
from facejobs.storage.s3 import S3Store
from facejobs.storage.s3_client import connect
from facejobs.storage.url import S3Location, parse_url

_PATIENCE = 3.0  # seconds


def examine(url: str) -> Iterator[Check]:
    """The checks of a URL or directory, one by one as they end; StorageError only for a URL that names no place."""
    place = parse_url(url)
    if isinstance(place, Path):
        with _folder_put_back(Path(os.path.abspath(place))) as root:  # noqa: PTH100 (links stay as the user wrote them)
            probe = Probe(LocalStore(root))
            yield from run_steps([Step("folder", lambda: _describe_folder(root)), *probe.steps()], probe.remove)
        return
    yield from _examine_s3(url, place)


def _examine_s3(url: str, place: S3Location) -> Iterator[Check]:
    connection = connect(url, _PATIENCE)
    contact = Contact(connection, url, place.bucket)
    steps = [
        Step("credentials present", contact.find_credentials),
        Step("endpoint", contact.reach),
        Step("clock", contact.compare_clocks),
        Step("credentials accepted", contact.accept_credentials),
        Step("bucket", contact.find_bucket),
    ]
    probe = Probe(S3Store(connection, url.rstrip("/"), place))
    yield from run_steps([*steps, *probe.steps()], probe.remove)


def _describe_folder(root: Path) -> str:
    if root.is_dir():
        return f"{root} is a folder"
    if root.exists() or root.is_symlink():
        raise StorageError(f"{root} is not a folder; name a folder, existing or new")
    return f"{root} does not exist yet; the first write makes it"


@contextmanager
def _folder_put_back(root: Path) -> Iterator[Path]:
    """Remove the folders that the checks made."""
    missing = [folder for folder in (root, *root.parents) if not os.path.lexists(folder)]
    try:
        yield root
    finally:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
