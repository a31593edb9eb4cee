"""facejobs storage put, get: a whole folder to storage and back, proven on arrival."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from facejobs.storage.manifest import Manifest


class Verify(StrEnum):
    """How `put` proves that all has arrived."""

    LISTING = "listing"
    READ_BACK = "read-back"


def put(
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder to upload."),
    url: str = typer.Argument(..., metavar="URL", help="s3://BUCKET/FOLDER, obs://BUCKET/FOLDER or a folder."),
    verify: Verify = typer.Option(
        Verify.LISTING, help="Compare a fresh listing (size and ETag), or read every byte back and hash it (BLAKE3)."
    ),
) -> None:
    """Upload DIR: send what is not there yet, verify all of it, and write the manifest outputs.json last."""
    from facejobs.storage.folder_sync import upload_folder
    from facejobs.storage.opening import open_store

    store = open_store(url)
    manifest = upload_folder(folder, store, verify="listing" if verify is Verify.LISTING else "read_back")
    typer.echo(f"{_amount(manifest)} verified in {store.url}; the manifest is {store.url_of('outputs.json')}")


def get(
    url: str = typer.Argument(..., metavar="URL", help="s3://BUCKET/FOLDER, obs://BUCKET/FOLDER or a folder."),
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder to download into; made if it is not there."),
    every: bool = typer.Option(False, "--all", help="Every object there, without looking for a manifest."),
) -> None:
    """Download URL into DIR: what its manifest names, proven by its digests; without one, all that is listed."""
    from facejobs.storage.folder_sync import download_folder
    from facejobs.storage.manifest import MANIFEST
    from facejobs.storage.opening import open_store

    store = open_store(url)
    key = None if every or store.stat(MANIFEST) is None else MANIFEST
    manifest = download_folder(store, folder, manifest_key=key)
    proof = "the digests in its manifest" if key else "the listing (no manifest was used)"
    typer.echo(f"{_amount(manifest)} in {folder}, checked against {proof}")


def _amount(manifest: "Manifest") -> str:
    count = len(manifest.files)
    return f"{count:,} {'file' if count == 1 else 'files'}, {manifest.size:,} bytes"
