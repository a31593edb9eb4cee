"""facejobs data: check, pack, unpack, repair; synth has its own file."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import typer

from facejobs.cli.counts import count_of
from facejobs.cli.synth import synth
from facejobs.errors import ExitCode

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check, pack, unpack, repair and draw face data sets."
)

_REDRAW_SECONDS = 0.1

_DIRECTORY = typer.Argument(..., metavar="DIR", help="Directory with NAME.rec, NAME.idx, property, perhaps NAME.lst.")


@app.command("check")
def check(
    directory: Path = _DIRECTORY,
    as_json: bool = typer.Option(False, "--json", help="Print the report as one JSON object."),
) -> None:
    """Decode every image, compare all files of a record data set, and report what is wrong.

    Exit code 0: no error (warnings perhaps); 3: errors.
    """
    from rich.console import Console

    from facejobs.cli.data_report import print_report, report_as_json
    from facejobs.data.check import check_records

    with _progress(f"checking {directory.name}", "bytes") as advance:
        report = check_records(directory, _cores(), advance)
    if as_json:
        typer.echo(json.dumps(report_as_json(report), indent=2))
    else:
        print_report(report, Console())
    if report.errors:
        raise typer.Exit(ExitCode.BAD_DATA)


@app.command("pack")
def pack(
    folder: Path = typer.Argument(..., metavar="FOLDER", help="Folder with one folder of aligned images per person."),
    output: Path = typer.Argument(..., metavar="OUT", help="Directory to make; it must not hold anything yet."),
    size: int = typer.Option(112, min=1, max=4096, help="Width and height that every image must have, in pixels."),
) -> None:
    """Pack a folder per person into a record data set, keeping every image byte for byte."""
    from facejobs.data.pack import pack_folder

    with _progress(f"packing {folder.name}", "images") as advance:
        report = pack_folder(folder, output, size, _cores(), advance)
    typer.echo(f"{report.records}: {count_of(report.images, 'image')} of {count_of(report.identities, 'person')}")
    if report.skipped_files:
        files = count_of(report.skipped_files, "file")
        typer.echo(f"skipped {files} not named as PERSON/NAME.jpg, .jpeg or .png, hidden, or no plain file", err=True)
    if report.empty_people:
        shown = ", ".join(report.empty_people[:5]) + (", …" if len(report.empty_people) > 5 else "")
        typer.echo(f"skipped {count_of(len(report.empty_people), 'folder')} without an image: {shown}", err=True)


@app.command("unpack")
def unpack(
    directory: Path = _DIRECTORY,
    output: Path = typer.Argument(..., metavar="OUT", help="Directory to make; it must not hold anything yet."),
) -> None:
    """Write the images of a record data set into a folder per identity, byte for byte."""
    from facejobs.data.unpack import unpack_records

    with _progress(f"unpacking {directory.name}", "images") as advance:
        report = unpack_records(directory, output, advance)
    images = count_of(report.images, "image")
    named = f", {report.named:,} named by the .lst" if report.named else ""
    typer.echo(f"{report.directory}: {images} of {count_of(report.identities, 'identity')}{named}")
    if report.absent:
        lines = count_of(report.absent, "line")
        typer.echo(f"passed over {lines} of the .lst, about images that the .rec does not hold", err=True)


@app.command("repair")
def repair(directory: Path = typer.Argument(..., metavar="DIR", help="Directory with NAME.rec.")) -> None:
    """Rebuild NAME.idx from NAME.rec; the old index is kept as NAME.idx.bak."""
    from facejobs.data.repair import repair_index

    with _progress(f"reading {directory.name}", "bytes") as advance:
        report = repair_index(directory, advance)
    for damage in report.damage:
        typer.echo(f"bytes {damage.offset} to {damage.end - 1} hold no whole record: {damage.problem}", err=True)
    images = count_of(report.records - report.identity_records, "image")
    identities = count_of(report.identity_records, "identity record")
    content = f"{count_of(report.records, 'record')} ({images}, {identities})"
    if not report.changed:
        typer.echo(f"{report.index}: right already, {content}; nothing was written")
        return
    source = "numbered as their headers say" if report.numbered_by_ids else "numbered by position"
    typer.echo(f"{report.index}: {content}, {source}")
    if report.backup:
        typer.echo(f"the old index is {report.backup}")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def _progress(description: str, unit: Literal["bytes", "images"]) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr if it is a terminal; yields a function that takes (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(description, total=None)
        shown = 0.0

        def advance(done: int, total: int) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown > _REDRAW_SECONDS:
                shown = now
                bar.update(task, completed=done, total=total)

        yield advance


app.command("synth")(synth)
