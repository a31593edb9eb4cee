"""Copies whole folders to storage and back: parallel, resumable, and proven before anything is called complete."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from facejobs.storage.manifest import MANIFEST, Manifest
from facejobs.storage.store import ObjectStore

Verification = Literal["listing", "read_back"]


def everything(name: str) -> bool:
    """Include every file."""
    return bool(name)


def upload_folder(
    folder: Path,
    store: ObjectStore,
    *,
    include: Callable[[str], bool] = everything,
    verify: Verification = "listing",
    manifest_key: str | None = MANIFEST,
    progress: bool = True,
) -> Manifest:
    """Upload the files of `folder` that `include` admits by name, verify all of them, then write the manifest."""
    raise NotImplementedError


def download_folder(
    store: ObjectStore,
    folder: Path,
    *,
    include: Callable[[str], bool] = everything,
    manifest_key: str | None = None,
    progress: bool = True,
) -> Manifest:
    """Download what `store` holds (or what its manifest names) into `folder`, each file verified and then renamed."""
    raise NotImplementedError
