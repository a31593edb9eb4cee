"""facejobs data: check, convert, pack, unpack, repair; synth has its own file."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import typer

from facejobs.cli.counts import count_of
from facejobs.cli.synth import synth
from facejobs.errors import ExitCode

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check, convert, pack, unpack, repair and draw face data sets."
)

_REDRAW_SECONDS = 0.1
_LOSSES = {
    "landmarks": "landmarks",
    "blur": "blur",
    "ignored": "the mark of faces to be ignored, which become ordinary ones",
    "attributes": "expression, illumination, occlusion and pose",
}


_DIRECTORY = typer.Argument(..., metavar="DIR", help="Directory with NAME.rec, NAME.idx, property, perhaps NAME.lst.")
_ANY_DIRECTORY = typer.Argument(
    ...,
    metavar="DIR",
    help="Directory of records, or with images/ and label.txt, or with train/, val/, test/ of these.",
)


@app.command("check")
def check(
    directory: Path = _ANY_DIRECTORY,
    as_json: bool = typer.Option(False, "--json", help="Print the report as one JSON object."),
) -> None:
    """Decode every image, compare all files of a data set, and report what is wrong.

    Exit code 0: no error (warnings perhaps); 3: errors.
    """
    from rich.console import Console

    from facejobs.cli.data_report import print_report, report_as_json
    from facejobs.cli.photograph_report import photographs_as_json, print_photographs
    from facejobs.data.check import check_photographs, check_records, kind_of_data

    if kind_of_data(directory) == "photographs":
        with _progress(f"checking {directory.name}", "images") as advance:
            photographs = check_photographs(directory, _cores(), advance)
        errors, values, show = (
            photographs.errors,
            photographs_as_json(photographs),
            partial(print_photographs, photographs),
        )
    else:
        with _progress(f"checking {directory.name}", "bytes") as advance:
            records = check_records(directory, _cores(), advance)
        errors, values, show = records.errors, report_as_json(records), partial(print_report, records)
    if as_json:
        typer.echo(json.dumps(values, indent=2))
    else:
        show(Console())
    if errors:
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


@app.command("convert")
def convert(
    source: Path = typer.Argument(
        ..., metavar="SRC", help="Label file of any dialect, folder of Pascal VOC's XML files, or JSON file of COCO."
    ),
    output: Path = typer.Argument(..., metavar="DST", help="Label file to write; it must not exist yet."),
    dialect: Literal["retinaface", "boxes", "scrfd", "wider"] = typer.Option(..., "--to", help="Dialect to write."),
    images: Path | None = typer.Option(
        None, help="Folder of the photographs, for scrfd, which states their sizes.  [default: images beside SRC]"
    ),
) -> None:
    """Convert the labels of photographs between dialects, and from Pascal VOC and COCO."""
    from facejobs.data.detection.label_conversion import convert_labels

    report = convert_labels(source, output, dialect, images)
    faces = count_of(report.faces, "face")
    typer.echo(f"{output}: {count_of(report.images, 'image')}, {faces} ({report.source} to {dialect})")
    for what, count in report.lost.items():
        typer.echo(f"{dialect} cannot hold {_LOSSES[what]}: lost of {count_of(count, 'face')}", err=True)
    for name, count in report.passed_over.items():
        typer.echo(f"passed over {count_of(count, 'object')} of class {name!r}", err=True)


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
