"""facejobs recognise."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facejobs.cli.progress import counting

if TYPE_CHECKING:
    from facejobs.gallery.decision_source import SourcedDecision
    from facejobs.gallery.matching import Rule
    from facejobs.gallery.recognise import RecognisedPhotograph
    from facejobs.gallery.recognition_pictures import RecognitionPictures
    from facejobs.gallery.recognition_results import RecognitionResults
    from facejobs.gallery.store import Gallery
    from facejobs.inference.face_pipeline import FacePipeline


def finite(value: float | None) -> float | None:
    """The value of an option that must be a number."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("give a number")
    return value


def rule_of(name: str | None) -> "Rule | None":
    """The rule of matching of this name; a usage error for another one."""
    from facejobs.gallery.matching import RULES

    for rule in RULES:
        if rule == name:
            return rule
    if name is None:
        return None
    raise typer.BadParameter(f"there is no rule {name!r}: give {', '.join(RULES)}", param_hint="--rule")


def recognise(
    photographs: Annotated[Path, typer.Argument(metavar="PHOTOGRAPHS", help="Photograph, or folder of photographs.")],
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of a gallery.")],
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Detector that made the gallery.")],
    recogniser: Annotated[Path, typer.Argument(metavar="RECOGNISER", help="Recogniser that made the gallery.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the results.")] = Path(
        "recognition-results"
    ),
    draw: Annotated[bool, typer.Option("--draw", help="Draw the photographs with names into OUT/pictures.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=-1, max=1, callback=finite, help="Lowest similarity of a named face; by default the calibrated one."
        ),
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="mean, image or knn; by default the calibrated one, or mean.", show_default=False)
    ] = None,
    neighbours: Annotated[int | None, typer.Option(min=1, help="Nearest images that vote, with knn.")] = None,
    score: Annotated[
        float | None, typer.Option(callback=finite, help="Lowest score of a face; by default that of the detector.")
    ] = None,
    scale: Annotated[
        str, typer.Option(help="Size at which photographs are shown: original, short-S (short side S) or multi.")
    ] = "original",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each photograph.")] = False,
) -> None:
    """Say who is in photographs: a name or unknown for each face, how similar and how probable.

    OUT gets results.jsonl and results.csv.

    Exit code 0: all photographs were read; 3: some were not, the others were done.
    """
    from facejobs.cli.counts import count_of
    from facejobs.data.detection.photograph_files import find_photographs
    from facejobs.data.detection.test_scale import TestScale
    from facejobs.data.errors import DataError
    from facejobs.data.fresh_output import fresh_directory
    from facejobs.gallery.decision_source import decision_for
    from facejobs.gallery.store import Gallery
    from facejobs.inference.face_pipeline import FacePipeline

    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(photographs)):
        raise typer.BadParameter("name a folder outside the photographs", param_hint="OUT")
    chosen_rule, shown = rule_of(rule), TestScale.parse(scale)
    with fresh_directory(out) as folder:
        paths = find_photographs(photographs)
        known = Gallery.open(gallery)
        pipeline = FacePipeline.open(detector, recogniser, score_threshold=score, scale=shown)
        known.require_models(pipeline.detector_identity, pipeline.recogniser_identity)
        sourced = decision_for(known, threshold, chosen_rule, neighbours)
        for warning in sourced.warnings:
            typer.echo(f"warning: {warning}", err=True)
        root = photographs if photographs.is_dir() else photographs.parent
        counts = _recognise_all(folder, root, draw, pipeline, known, sourced, paths, as_json)
        if counts["unread_photographs"] == len(paths):
            raise DataError(f"{photographs}: no photograph could be read")
    if not as_json:
        decided = sourced.decision
        typer.echo(
            f"{counts['recognised_faces']:,} of {count_of(counts['faces'], 'face')} recognised at similarity "
            f"{decided.threshold:.4f} ({sourced.meaning}): {out}"
        )
    if counts["unread_photographs"]:
        raise DataError(
            f"{counts['unread_photographs']} of {count_of(len(paths), 'photograph')} could not be read; the others are "
            "done"
        )


def _recognise_all(
    folder: Path,
    root: Path,
    draw: bool,
    pipeline: "FacePipeline",
    gallery: "Gallery",
    sourced: "SourcedDecision",
    paths: Sequence[Path],
    as_json: bool,
) -> dict[str, int]:
    """Write, print and draw who is in each photograph; returns the counts."""
    from facejobs.cli.tables import printable
    from facejobs.data.errors import DataError
    from facejobs.gallery.recognise import recognise_files
    from facejobs.gallery.recognition_pictures import RecognitionPictures
    from facejobs.gallery.recognition_results import recognition_results

    pictures = RecognitionPictures(folder / "pictures", root) if draw else None
    with (
        recognition_results(folder, root) as results,
        counting("recognising", len(paths), beside_output=False) as advance,
    ):
        results.describe(gallery, sourced)
        for path, seen in recognise_files(pipeline, gallery, sourced.decision, paths):
            if isinstance(seen, DataError):
                line = results.add_problem(path, seen)
                if not as_json:
                    typer.echo(f"skipped: {printable(str(seen))}", err=True)
            else:
                line = _keep(path, seen, results, pictures)
                if not as_json:
                    _print_people(line)
            if as_json:
                typer.echo(json.dumps(line))
            advance()
        return results.counts


def _keep(
    path: Path, seen: "RecognisedPhotograph", results: "RecognitionResults", pictures: "RecognitionPictures | None"
) -> dict[str, Any]:
    if pictures is not None:
        pictures.add(path, seen.photograph, seen.people)
    return results.add(path, seen.photograph, seen.people)


def _print_people(line: dict[str, Any]) -> None:
    from facejobs.cli.counts import count_of
    from facejobs.cli.tables import printable

    faces = line["faces"]
    typer.echo(f"{printable(line['photograph'])}  {line['width']}x{line['height']}  {count_of(len(faces), 'face')}")
    for face in faces:
        left, top, right, bottom = face["box"]
        text = f"  {printable(face['name']):24}  {left:.0f},{top:.0f} {right:.0f},{bottom:.0f}"
        if face["best"] is not None:
            text += f"  similarity {face['similarity']:.4f}"
            text += "" if face["probability"] is None else f"  probability {face['probability']:.3f}"
            text += "" if face["recognised"] else f"  nearest {printable(face['best'])}"
            text += "" if face["margin"] is None else f"  margin {face['margin']:.4f}"
        typer.echo(text)
