"""Detections as files, in the format that WIDER FACE's evaluation takes: one text file a photograph.

For `event/name.jpg` of the label file it is `event/name.txt`: the photograph's name, how many detections there are, and
a line `x y width height score` for each. The format has no landmarks.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.faces import Detections, LabelledImage
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

_COLUMNS = 5
_HEADER_LINES = 2
_COUNT = re.compile(r"\s*[0-9]{1,9}\s*", re.ASCII)


def read_submission(folder: Path, images: Sequence[LabelledImage]) -> list[Detections]:
    """Read the detections in each of `images`, best first; files of other photographs are not looked at.

    Raises DataError where a photograph has no file (one without detections has a file too, with count 0), or where a
    file is malformed.
    """
    with reading(folder):
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; give the folder that holds EVENT/NAME.txt for each photograph")
        paths = [folder / _file_of(image.path) for image in images]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataError(
                f"{len(missing)} of the {len(paths)} photographs have no file of detections, such as {missing[0]}; one "
                "in which nothing was found has a file too, with the count 0"
            )
        return [_read(path) for path in paths]


def write_submission(folder: Path, images: Sequence[LabelledImage], detections: Sequence[Detections]) -> None:
    """Write one file for each of `images` into `folder`; what is read from it again measures the same. Raises OSError.

    Photographs whose names differ only by their suffix share a file in this format, which is refused with DataError.
    """
    written: dict[PurePosixPath, str] = {}
    for image, found in zip(images, detections, strict=True):
        name = _file_of(image.path)
        if name in written:
            raise DataError(f"{written[name]} and {image.path} would have one file of detections, {name}; rename one")
        written[name] = image.path
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        boxes = found.boxes.astype(np.float64)
        rows = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], found.scores])
        lines = [" ".join(f"{value:.9g}" for value in row) for row in rows.tolist()]
        path.write_text("\n".join([PurePosixPath(image.path).name, str(len(lines)), *lines]) + "\n", encoding="utf-8")


def _file_of(photograph: str) -> PurePosixPath:
    return PurePosixPath(photograph).with_suffix(".txt")


def _read(path: Path) -> Detections:
    lines = path.read_text(encoding="utf-8", errors="replace").rstrip().split("\n")
    if len(lines) < _HEADER_LINES or not _COUNT.fullmatch(lines[1]):
        raise DataError(f"{path}: line 2 does not say how many detections there are; line 1 is the photograph's name")
    count, rows = int(lines[1]), [line.split() for line in lines[_HEADER_LINES:]]
    if len(rows) != count:
        raise DataError(f"{path}: line 2 announces {count} detections, {len(rows)} follow; the file may be truncated")
    values = _numbers(path, rows)
    values[:, 2:4] += values[:, :2]
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    _refuse_rows(path, ~np.isfinite(values).all(axis=1))
    values = values[np.argsort(-values[:, 4], kind="stable")]
    return Detections(values[:, :4], values[:, 4], None)


def _numbers(path: Path, rows: list[list[str]]) -> NDArray[np.float64]:
    _refuse_rows(path, np.array([len(row) != _COLUMNS for row in rows], bool))
    try:
        return np.array(rows, np.float64).reshape(-1, _COLUMNS)
    except ValueError:
        _refuse_rows(path, np.array([not all(map(_is_number, row)) for row in rows]))
        raise


def _refuse_rows(path: Path, wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        line = int(np.argmax(wrong)) + _HEADER_LINES + 1
        raise DataError(f"{path}:{line}: not the five finite numbers x y width height score")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
