"""From a URL to the store that holds it."""

from pathlib import Path

from facejobs.storage.store import ObjectStore
from facejobs.storage.url import parse_url


def open_store(url: str | Path) -> ObjectStore:
    """The store at `s3://bucket/folder`, `obs://bucket/folder` or a directory, which need not exist yet.

    Nothing is sent to a server here. Raises StorageError for a URL that names no store.
    """
    place = url if isinstance(url, Path) else parse_url(url)
    if isinstance(place, Path):
        from facejobs.storage.local import LocalStore

        return LocalStore(place)
    from facejobs.storage.s3 import S3Store
    from facejobs.storage.s3_client import connect

    return S3Store(connect(str(url)), str(url).rstrip("/"), place)
