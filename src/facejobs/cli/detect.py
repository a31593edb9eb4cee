"""facejobs detect."""

import json
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facejobs.cli.progress import counting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facejobs.data.detection.faces import Detections
    from facejobs.data.errors import DataError
    from facejobs.inference.detection_pictures import Pictures
    from facejobs.inference.detector import Detector


def _finite(score: float | None) -> float | None:
    if score is not None and not math.isfinite(score):
        raise typer.BadParameter("give a number")
    return score


def detect(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model folder, output of a run, or haar: the cascade of OpenCV.")
    ],
    photographs: Annotated[Path, typer.Argument(metavar="IMAGE_OR_DIR", help="Photograph, or folder of photographs.")],
    draw: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="New folder, or for one photograph a new file, for pictures of the faces."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each photograph.")] = False,
    score: Annotated[
        float | None, typer.Option(callback=_finite, help="Lowest score of a face; by default that of the model.")
    ] = None,
    scale: Annotated[
        str, typer.Option(help="Size at which photographs are shown: original, short-S (short side S) or multi.")
    ] = "original",
) -> None:
    """Find faces in photographs: boxes, scores and landmarks.

    They are in pixels of the upright photograph.

    Exit code 0: all photographs were read; 3: some were not, the others were done.
    """
    from facejobs.cli.counts import count_of
    from facejobs.data.detection.photograph_files import find_photographs, threads_of_each
    from facejobs.data.detection.test_scale import TestScale
    from facejobs.data.errors import DataError
    from facejobs.inference.detection_pictures import pictures_in
    from facejobs.inference.detector import open_detector

    at_scale = TestScale.parse(scale)
    paths = find_photographs(photographs)
    # Of two photographs at once, each has half of the cores: nets that share all of them wait for each other.
    detector = open_detector(model, at_scale, score, threads_of_each(len(paths)))
    with (
        nullcontext() if draw is None else pictures_in(draw, photographs) as pictures,
        counting("detecting", len(paths), beside_output=False) as advance,
    ):
        unread = print_detections(detector, paths, as_json, pictures, advance)
        if unread == len(paths):
            raise DataError(f"{photographs}: no photograph could be read")
    if unread:
        raise DataError(f"{unread} of {count_of(len(paths), 'photograph')} could not be read; the others are done")


def print_detections(
    detector: "Detector",
    paths: Sequence[Path],
    as_json: bool,
    pictures: "Pictures | None" = None,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Print, and draw, what is found in each photograph; returns how many could not be read."""
    from facejobs.data.detection.photograph_files import work_ahead
    from facejobs.data.detection.photographs import read_photograph
    from facejobs.data.errors import DataError

    lines_of = _json_line if as_json else _table

    def look_at(path: Path) -> "tuple[NDArray[np.uint8], Detections, str] | DataError":
        try:
            image = read_photograph(path)
        except DataError as error:
            return error
        found = detector.detect(image)
        return image, found, lines_of(path, image, found)

    unread = 0
    # Two photographs at once: one is decoded or its faces are sorted out while the net works on the other.
    for path, seen in work_ahead(look_at, paths):
        if isinstance(seen, DataError):
            unread += 1
            _print_problem(path, seen, as_json)
        else:
            image, found, lines = seen
            typer.echo(lines)
            if pictures is not None:
                pictures.add(path, image, found)
        advance()
    return unread


def _print_problem(path: Path, problem: "DataError", as_json: bool) -> None:
    from facejobs.cli.tables import printable

    if as_json:
        typer.echo(json.dumps({"path": str(path), "error": str(problem)}))
    else:
        typer.echo(f"skipped: {printable(str(problem))}", err=True)


def _json_line(path: Path, image: "NDArray[np.uint8]", found: "Detections") -> str:
    import orjson

    height, width = image.shape[:2]
    landmarks = [None] * len(found) if found.landmarks is None else found.landmarks.round(2)
    faces = [
        {"box": box, "score": score, "landmarks": points}
        for box, score, points in zip(found.boxes.round(2), found.scores.round(4), landmarks, strict=True)
    ]
    # While one thread writes numbers, the others wait: json takes several times as long. It writes the path, in which
    # there may be bytes that are no text.
    text = orjson.dumps(faces, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return f'{{"path": {json.dumps(str(path))}, "width": {width}, "height": {height}, "faces": {text}}}'


def _table(path: Path, image: "NDArray[np.uint8]", found: "Detections") -> str:
    from facejobs.cli.counts import count_of
    from facejobs.cli.tables import printable

    height, width = image.shape[:2]
    landmarks = [()] * len(found) if found.landmarks is None else found.landmarks.tolist()
    lines = [f"{printable(str(path))}  {width}x{height}  {count_of(len(found), 'face')}"]
    for box, score, points in zip(found.boxes.tolist(), found.scores.tolist(), landmarks, strict=True):
        sides = "".join(f"{value:9.1f}" for value in box)
        places = "".join(f"  {f'{x:.0f},{y:.0f}':9}" for x, y in points)
        lines.append(f"{sides}  {score:7.4f} {places}".rstrip())
    return "\n".join(lines)
