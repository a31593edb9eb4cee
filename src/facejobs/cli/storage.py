"""facejobs storage."""

import json
from pathlib import Path
from typing import Annotated

import typer

from facejobs.cli.storage_sync import get, put
from facejobs.errors import ExitCode

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command()(put)
app.command()(get)

_URL = typer.Argument(metavar="URL", help="s3://BUCKET/FOLDER, obs://BUCKET/FOLDER, or a directory.")
_JSON = typer.Option("--json", help="Print JSON.")


@app.callback()
def group() -> None:
    """Look at where data is kept: S3 and OBS buckets, and directories."""


@app.command()
def doctor(url: Annotated[str, _URL], as_json: Annotated[bool, _JSON] = False) -> None:
    """Try all that jobs ask of a place, and say in words what is wrong. Leaves nothing behind.

    Ends with exit code 10 if a check fails.
    """
    from facejobs.storage.doctor.checks import Outcome
    from facejobs.storage.doctor.examination import examine

    checks = []
    for check in examine(url):
        checks.append(check)
        if not as_json:
            typer.echo(f"{check.outcome:8} {check.name}: {check.detail}")
    failed = [check for check in checks if check.outcome is Outcome.FAILED]
    if as_json:
        rows = [{"name": check.name, "outcome": check.outcome.lower(), "detail": check.detail} for check in checks]
        typer.echo(json.dumps({"url": url, "fit": not failed, "checks": rows}, indent=2))
    if failed:
        raise typer.Exit(ExitCode.STORAGE)


@app.command("ls")
def list_objects(
    url: Annotated[str, _URL],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="List subfolders' files too.")] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """List the files and subfolders of a place."""
    from facejobs.storage.errors import NotFoundError
    from facejobs.storage.opening import open_store

    store = open_store(url)
    folders = [] if recursive else store.folders()
    files = list(store.list(recursive=recursive))
    if not folders and not files and not _may_be_empty(url):
        raise NotFoundError(f"{url}: there is no such folder, or it is empty; a single file is listed by its folder")
    if as_json:
        rows = [{"key": file.key, "size": file.size, "modified": file.modified.isoformat()} for file in files]
        typer.echo(json.dumps({"url": store.url, "folders": folders, "files": rows}, indent=2))
        return
    for name in folders:
        typer.echo(f"{'':35}{name}/")
    for file in files:
        typer.echo(f"{file.modified:%Y-%m-%d %H:%M:%S}  {file.size:12}  {file.key}")


def _may_be_empty(url: str) -> bool:
    """Whether the place is there even without a file: a directory or a bucket, but no folder of a bucket."""
    from facejobs.storage.url import parse_url

    place = parse_url(url)
    return place.is_dir() if isinstance(place, Path) else not place.key
