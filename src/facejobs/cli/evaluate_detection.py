"""facejobs evaluate detection."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facejobs.cli.progress import counting

if TYPE_CHECKING:
    from facejobs.data.detection.detection_split import DetectionSplit
    from facejobs.data.detection.detector_description import DetectionDescription
    from facejobs.data.detection.faces import Detections
    from facejobs.data.detection.haar_cascade import HaarDescription
    from facejobs.evaluation.detection import DetectionResult
    from facejobs.inference.detector import Detector

_SCALE = "original"
_SCALE_OF_PREDICTIONS = "unstated"


def detection(
    first: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model folder, output of a run, or haar: the cascade of OpenCV. With --predictions there is none, "
            "give SPLIT alone.",
        ),
    ],
    second: Annotated[
        str | None, typer.Argument(metavar="SPLIT", help="Folder with images/ and label.txt.", show_default=False)
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="Size at which photographs are shown: original (if none is given), short-S (short side S) or multi. "
            "With --predictions: the size at which they were.",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Measure the detections in DIR, in WIDER FACE's format, instead of a model."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="New folder for results.json, curves and the pictures of --draw.")
    ] = None,
    draw: Annotated[
        int, typer.Option(metavar="N", min=0, help="Draw N photographs with the worst misses, and false alarms.")
    ] = 0,
    save_predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder for the detections, in WIDER FACE's format.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure a face detector: average precision by size of face and as WIDER FACE does, error of landmarks.

    Easy, medium and hard are measured where wider_easy_val.mat and the like lie in SPLIT.
    """
    model, folder = _model_and_split(first, second, predictions)
    _check_outputs(out, draw, save_predictions)
    shown = _checked_scale(scale, predictions)
    from facejobs.cli.detection_table import to_table
    from facejobs.data.detection.detection_split import DetectionSplit
    from facejobs.data.detection.submission import write_submission
    from facejobs.data.fresh_output import fresh_directory
    from facejobs.evaluation.detection_errors import draw_worst
    from facejobs.evaluation.detection_results import save_results, to_json

    pictures = 0
    with (
        nullcontext() if out is None else fresh_directory(out) as results,
        nullcontext() if save_predictions is None else fresh_directory(save_predictions) as saved,
    ):
        split = DetectionSplit.open(folder)
        described, found, result = _evaluate(split, model, predictions, shown)
        if not as_json:
            typer.echo(to_table(result))
        if results is not None:
            save_results(results, described, result)
            pictures = draw_worst(results, split, found, result, draw)
        if saved is not None:
            write_submission(saved, split.images, found)
    if as_json:
        typer.echo(json.dumps(to_json(described, result), indent=2, allow_nan=False))
    elif out is not None:
        typer.echo(f"results and curves{', pictures of errors' if pictures else ''}: {out}")


def _evaluate(
    split: "DetectionSplit", model: str, predictions: Path | None, scale: str
) -> "tuple[dict[str, Any], list[Detections], DetectionResult]":
    """What identifies the detector, what it found, and how good that is."""
    from facejobs.data.detection.submission import read_submission
    from facejobs.evaluation.detection import evaluate_detection
    from facejobs.evaluation.wider_face import find_subsets

    subsets = find_subsets(split.folder, [image.path for image in split.images])
    if predictions is None:
        described, found = _detect(model, scale, split)
    else:
        described, found = {"predictions": str(predictions)}, read_submission(predictions, split.images)
    result = evaluate_detection(
        split.images,
        found,
        name=split.folder.resolve().name,
        fingerprint=split.fingerprint(),
        scale=scale,
        subsets=subsets,
    )
    return described, found, result


def _model_and_split(first: str, second: str | None, predictions: Path | None) -> tuple[str, Path]:
    """With --predictions there is no model, so that the split comes first."""
    if predictions is None:
        if second is None:
            raise typer.BadParameter("give a model and a split, or a split and --predictions", param_hint="SPLIT")
        return first, Path(second)
    if second is not None:
        raise typer.BadParameter("with --predictions give a split alone, no model", param_hint="MODEL")
    return "", Path(first)


def _check_outputs(out: Path | None, draw: int, save_predictions: Path | None) -> None:
    if draw and out is None:
        raise typer.BadParameter("name the folder for the pictures with --out", param_hint="--draw")
    if out is None or save_predictions is None:
        return
    one, other = out.absolute(), save_predictions.absolute()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise typer.BadParameter("name a folder beside that of --out", param_hint="--save-predictions")


def _checked_scale(scale: str | None, predictions: Path | None) -> str:
    from facejobs.data.detection.test_scale import TestScale

    if scale is None:
        return _SCALE if predictions is None else _SCALE_OF_PREDICTIONS
    return TestScale.parse(scale).name


def _detect(model: str, scale: str, split: "DetectionSplit") -> tuple[dict[str, Any], "list[Detections]"]:
    from facejobs.data.detection.photograph_files import read_ahead
    from facejobs.data.detection.test_scale import TestScale
    from facejobs.data.errors import DataError
    from facejobs.inference.detector import open_to_measure

    detector = open_to_measure(model, TestScale.parse(scale))
    found = []
    with counting(f"{split.folder.name}: detecting", len(split)) as advance:
        for _, photograph in read_ahead([split.path_of(image) for image in split.images]):
            if isinstance(photograph, DataError):
                raise photograph
            found.append(detector.detect(photograph))
            advance()
    return _describe(detector), found


def _describe(detector: "Detector") -> dict[str, Any]:
    from facejobs.inference.detector import OnnxDetector
    from facejobs.inference.haar import HaarDetector
    from facejobs.inference.mtcnn import MtcnnDetector

    published: tuple[Path, DetectionDescription | HaarDescription] | None = None
    if isinstance(detector, OnnxDetector | MtcnnDetector):
        published = detector.folder, detector.description
    elif isinstance(detector, HaarDetector):
        published = detector.published
    if published is None:
        return {"detector": detector.name}
    folder, description = published
    return {
        "path": str(folder),
        "sha256": {name: description.files[name].sha256 for name in description.graphs},
        "detector": detector.name,
        "backbone": description.backbone,
    }
