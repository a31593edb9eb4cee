"""facejobs data synth."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import typer

_FOR_ALL = {"output", "task", "photographs", "seed"}
_COUNTED = {
    None: {"identities", "images", "verification_identities", "verification_images", "pairs"},
    "detection": {"val_photographs", "test_photographs"},
    "gallery": {"identities", "images", "query_images", "strangers"},
}


def synth(
    context: typer.Context,
    output: Path = typer.Argument(..., metavar="OUT", help="Folder to make; it must not exist yet."),
    task: Literal["detection", "gallery"] | None = typer.Option(
        None, help="Draw only photographs: split for training a detector, or of people to enrol and to recognise."
    ),
    identities: int | None = typer.Option(
        None, show_default="60, or 10 in a gallery", help="People in the training records, or to enrol."
    ),
    images: int | None = typer.Option(
        None, show_default="30, or 5 in a gallery", help="Training images, or photographs to enrol, of each."
    ),
    verification_identities: int = typer.Option(60, help="Other people, for the verification pairs; 20 or more."),
    verification_images: int = typer.Option(10, help="Images of each of those."),
    pairs: int = typer.Option(600, help="Verification pairs, half of them matching; a multiple of 20."),
    photographs: int | None = typer.Option(
        None, show_default="24, 160 to train a detector, 6 with a gallery", help="Photographs with several faces."
    ),
    val_photographs: int = typer.Option(20, help="More of them for validation, with --task detection."),
    test_photographs: int = typer.Option(40, help="More of them for the test, with --task detection."),
    query_images: int = typer.Option(5, help="Other photographs of each person, with --task gallery."),
    strangers: int = typer.Option(60, help="Photographs of nobody enrolled, one of each, with --task gallery."),
    seed: int = typer.Option(0, help="The same seed draws the same faces."),
) -> None:
    """Draw faces of nobody: training records, verification pairs, and photographs with boxes and landmarks."""
    _refuse_useless(context, task)
    if task == "gallery":
        chosen = {"people": identities, "enrol_images": images, "photographs": photographs}
        chosen |= {"query_images": query_images, "strangers": strangers}
        _synth_gallery(output, {name: count for name, count in chosen.items() if count is not None}, seed)
        return
    if task:
        counts_of_photographs = (160 if photographs is None else photographs, val_photographs, test_photographs)
        _synth_detection(output, counts_of_photographs, seed)
        return
    from facejobs.data.synthetic.dataset import SyntheticCounts, write_synthetic

    identities, images = 60 if identities is None else identities, 30 if images is None else images
    photographs = 24 if photographs is None else photographs
    counts = SyntheticCounts(identities, images, verification_identities, verification_images, pairs, photographs)
    with _bars("training faces", "verification faces", "photographs") as progress:
        write_synthetic(output, counts, seed, _cores(), progress)
    typer.echo(
        f"{output}: {identities * images} training faces of {identities} people, {pairs} verification pairs of "
        f"{verification_identities} other people, {photographs} photographs"
    )


def _synth_detection(output: Path, photographs: tuple[int, int, int], seed: int) -> None:
    from facejobs.data.detection.detection_split import DETECTION_DATA
    from facejobs.data.synthetic.detection_set import PhotographCounts, write_synthetic_detection

    counts = PhotographCounts(*photographs)
    with _bars("test photographs", "val photographs", "train photographs") as progress:
        write_synthetic_detection(output, counts, seed, _cores(), progress)
    typer.echo(
        f"{output / DETECTION_DATA}: {counts.train} photographs for training, {counts.val} for validation, "
        f"{counts.test} for the test"
    )


def _synth_gallery(output: Path, chosen: dict[str, int], seed: int) -> None:
    from facejobs.data.synthetic.gallery_set import GalleryCounts, write_synthetic_gallery

    counts = GalleryCounts(**chosen)
    with _bars("people", "strangers", "groups") as progress:
        write_synthetic_gallery(output, counts, seed, _cores(), progress)
    typer.echo(
        f"{output}: {counts.people} people, {counts.enrol_images} photographs of each to enrol and "
        f"{counts.query_images} to query, {counts.strangers} strangers, {counts.photographs} photographs of groups"
    )


def _refuse_useless(context: typer.Context, task: str | None) -> None:
    for name in context.params:
        source = context.get_parameter_source(name)
        given = source is not None and source.name != "DEFAULT"
        if given and name not in _FOR_ALL | _COUNTED[task]:
            kind = f"--task {task}" if task else "synth without that --task"
            raise typer.BadParameter(f"{kind} draws nothing that this counts", param_hint=f"--{name.replace('_', '-')}")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def _bars(*kinds: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar for each kind on stderr if it is a terminal; yields a function of (kind, done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        tasks = {kind: bar.add_task(kind, total=None) for kind in kinds}
        yield lambda kind, done, total: bar.update(tasks[kind], completed=done, total=total)
