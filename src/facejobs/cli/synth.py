"""facejobs data synth."""

import os
import sys
from pathlib import Path

import typer


def synth(
    output: Path = typer.Argument(..., metavar="OUT", help="Folder to make; it must not exist yet."),
    identities: int = typer.Option(60, help="People in the training records."),
    images: int = typer.Option(30, help="Training images of each."),
    verification_identities: int = typer.Option(60, help="Other people, for the verification pairs; 20 or more."),
    verification_images: int = typer.Option(10, help="Images of each of those."),
    pairs: int = typer.Option(600, help="Verification pairs, half of them matching; a multiple of 20."),
    photographs: int = typer.Option(24, help="Photographs with several labelled faces."),
    seed: int = typer.Option(0, help="The same seed draws the same faces."),
) -> None:
    """Draw faces of nobody: training records, verification pairs, and photographs with boxes and landmarks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from facejobs.data.synthetic.dataset import SyntheticCounts, write_synthetic

    counts = SyntheticCounts(identities, images, verification_identities, verification_images, pairs, photographs)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        tasks = {
            what: bar.add_task(what, total=None) for what in ("training faces", "verification faces", "photographs")
        }
        write_synthetic(
            output,
            counts,
            seed,
            len(os.sched_getaffinity(0)),
            lambda what, done, total: bar.update(tasks[what], completed=done, total=total),
        )
    typer.echo(
        f"{output}: {identities * images} training faces of {identities} people, {pairs} verification pairs of "
        f"{verification_identities} other people, {photographs} photographs"
    )
