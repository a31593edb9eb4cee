"""facejobs evaluate identification."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from facejobs.evaluation.identification import IdentificationResult
    from facejobs.evaluation.identification_results import MeasuredPair
    from facejobs.gallery.face_source import FaceSource
    from facejobs.gallery.person_similarity import SimilarityRule


def identification(
    gallery: Annotated[
        Path,
        typer.Argument(
            metavar="GALLERY", help="Gallery, or a folder with a folder of photographs for each person to enrol."
        ),
    ],
    query: Annotated[
        Path,
        typer.Argument(
            metavar="QUERY_FOLDER",
            help="A folder of other photographs for each person; those of nobody enrolled, such as unknown, hold "
            "strangers.",
        ),
    ],
    first_model: Annotated[
        str, typer.Argument(metavar="DETECTOR", help="Model folder or output of a run. Left out with --aligned.")
    ],
    second_model: Annotated[
        Path | None, typer.Argument(metavar="RECOGNISER", help="Model folder or output of a run.", show_default=False)
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="All images are faces aligned to 112x112 pixels already.")
    ] = False,
    rule: Annotated[
        Literal["mean", "image"],
        typer.Option(help="Similarity to a person: to the mean of their images, or to the nearest image."),
    ] = "mean",
    out: Annotated[
        Path | None, typer.Option(help="New folder for results.json, every search, people.csv and pictures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure 1:N identification: rank-1 and rank-5 accuracy, FNIR at FPIR 0.1, 0.01 and 0.001, and who is missed.

    Strangers are needed for FNIR at FPIR; a probe in which no face is found counts as missed.
    """
    detector, recogniser = _models(first_model, second_model, aligned)
    from facejobs.cli.identification_table import to_table
    from facejobs.data.fresh_output import fresh_directory
    from facejobs.evaluation.identification_results import save_results, to_json

    with nullcontext() if out is None else fresh_directory(out) as folder:
        measured, result, refused = _measure(gallery, query, detector, recogniser, rule)
        if not as_json:
            typer.echo(to_table(measured, result, refused))
        if folder is not None:
            save_results(folder, measured, result)
    if as_json:
        typer.echo(json.dumps(to_json(measured, result), indent=2, allow_nan=False))
    elif out is not None:
        typer.echo(f"results, searches and pictures: {out}")


def _models(first: str, second: Path | None, aligned: bool) -> tuple[str | None, Path]:
    """Aligned faces need no detector, so that the recogniser comes first."""
    if aligned and second is not None:
        raise typer.BadParameter("with --aligned give a recogniser alone, no detector", param_hint="DETECTOR")
    if not aligned and second is None:
        raise typer.BadParameter("give a detector and a recogniser, or --aligned", param_hint="RECOGNISER")
    return (None, Path(first)) if second is None else (first, second)


def _measure(
    gallery: Path, query: Path, detector: str | None, recogniser: Path, rule: "SimilarityRule"
) -> "tuple[MeasuredPair, IdentificationResult, int]":
    """What was measured, how it went, and how many photographs could not be enrolled."""
    from facejobs.evaluation.identification import evaluate_identification
    from facejobs.evaluation.identification_results import MeasuredPair
    from facejobs.gallery.identification import enrolled_people, search_gallery
    from facejobs.gallery.probes import read_probes

    source = _source(detector, recogniser)
    with _progress(f"{gallery.name}: enrolling") as advance:
        enrolled = enrolled_people(gallery, source, advance)
    with _progress(f"{query.name}: searching") as advance:
        probes = read_probes(query, source, advance)
    protocol = f"identification:{rule}:{source.kind}:{enrolled.fingerprint[:12]}:{probes.fingerprint[:12]}:mirror-sum"
    searches = search_gallery(enrolled, probes, rule)
    result = evaluate_identification(searches, probes.subjects, protocol, threshold=enrolled.threshold(rule))
    models = {role: asdict(identity) for role, identity in source.models.items()}
    parameters = {"rule": rule, "aligned": detector is None}
    return MeasuredPair(enrolled.people, probes.names, models, parameters), result, enrolled.refused


def _source(detector: str | None, recogniser: Path) -> "FaceSource":
    from facejobs.data.model_folder import find_model_folder
    from facejobs.gallery.face_source import AlignedFaces, Photographs
    from facejobs.inference.embedder import Embedder
    from facejobs.inference.face_pipeline import FacePipeline
    from facejobs.inference.model_identity import identity_of

    if detector is not None:
        return Photographs(FacePipeline.open(detector, recogniser))
    embedder = Embedder.load(find_model_folder(recogniser))
    return AlignedFaces(embedder, identity_of(embedder.description))


@contextmanager
def _progress(text: str) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}, {task.completed:,.0f} photographs"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)
        yield lambda: progress.advance(task)
