"""Label files: the faces of many photographs in one text file, in four dialects told apart by their content.

    retinaface  # path                   x y w h  (lx ly v) x 5  blur      v = 0: visible; -1 -1 -1: not known
    boxes       # path                   x y w h
    scrfd       # path width height      x1 y1 x2 y2  (lx ly v) x 5        InsightFace's `labelv2`
    wider       path, then a count       x y w h  blur expression illumination invalid occlusion pose

Single faces of `retinaface` and `scrfd` may stop after the box; one more number in `scrfd` says that the face is to be
ignored if it is 1. `wider` is WIDER FACE's `bbx_gt.txt`, in which a count of 0 is followed by one line of zeros.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.label_building import (
    UNKNOWN,
    LabelBuilder,
    Point,
    parse_side,
    require_inside,
    require_pixels,
)
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

Dialect = Literal["retinaface", "boxes", "scrfd", "wider"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
Source = Dialect | Literal["voc", "coco"]

_MAX_LINE = 1 << 16
_COUNT = re.compile(r"\d{1,7}")
WIDER_BLUR = 2
PLACEHOLDER = " ".join(["0"] * 10)
"""What WIDER FACE writes below a count of 0."""

Line = tuple[int, str]


@dataclass(frozen=True, slots=True)
class LabelFile:
    """Labels as read. `sizes` holds (height, width) of the images by path, where the dialect tells them."""

    dialect: Source
    images: tuple[LabelledImage, ...]
    sizes: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line (numbered from 1) of a label file."""

    line: int
    message: str


def read_labels(path: Path) -> LabelFile:
    """Read a label file of any dialect.

    Faces that WIDER FACE or SCRFD mark, and faces whose box has no area, are `ignored`. Raises DataError with file and
    line for a malformed line, a number that is not finite, a box of negative size, and an image named twice; also for
    a file that names no image.
    """
    labels, problems = scan_labels(path)
    if problems:
        raise _error(path, problems)
    return labels


def scan_labels(path: Path) -> tuple[LabelFile, list[Problem]]:
    """Read a label file past malformed lines, which are left out and reported; DataError if it names no image."""
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path}: empty; a label file names at least one image")
    dialect = _dialect(lines)
    reader = _Reader(dialect)
    (reader.read_wider if dialect == "wider" else reader.read_headed)(lines)
    if not reader.images:
        raise _error(path, reader.problems)
    images = tuple(image.labelled() for image in reader.images.values())
    return LabelFile(dialect, images, reader.sizes), reader.problems


def _error(path: Path, problems: list[Problem]) -> DataError:
    more = f" (and {len(problems) - 1} more such lines)" if len(problems) > 1 else ""
    return DataError(f"{path}:{problems[0].line}: {problems[0].message}{more}")


def _lines(path: Path) -> list[Line]:
    """Every line that is not blank, with its number."""
    lines: list[Line] = []
    number = 0
    with reading(path), path.open("rb") as file:
        while raw := file.readline(_MAX_LINE):
            number += 1
            if len(raw) == _MAX_LINE or b"\0" in raw:
                raise DataError(f"{path}:{number}: not a line of text; is this a label file?")
            text = raw.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff" if number == 1 else "").strip()
            if text:
                lines.append((number, text))
    return lines


def _dialect(lines: list[Line]) -> Dialect:
    headers = [text for _, text in lines if text.startswith("#")]
    if not lines[0][1].startswith("#"):
        # A face before the first header is a mistake in one line, not another dialect.
        return "wider" if not headers or _COUNT.fullmatch(lines[min(1, len(lines) - 1)][1]) else "boxes"
    if all(split_size(text[1:]) for text in headers):
        return "scrfd"
    faces = (text for _, text in lines if not text.startswith("#"))
    return "retinaface" if any(len(text.split()) > 4 for text in faces) else "boxes"


def split_size(name: str) -> tuple[str, tuple[int, int]] | None:
    """Split `path width height` into the path and (height, width); None where it does not end so."""
    path, *sides = name.rsplit(maxsplit=2) or [""]
    width, height = map(parse_side, sides) if len(sides) == 2 else (None, None)
    return (path.strip(), (height, width)) if height and width else None


class _Reader:
    """Takes the lines of one file and collects images and problems."""

    def __init__(self, dialect: Dialect) -> None:
        self.images: dict[str, LabelBuilder] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._add_face: Callable[[LabelBuilder, list[float]], None] = {
            "retinaface": _add_retinaface,
            "boxes": _add_retinaface,
            "scrfd": _add_scrfd,
            "wider": _add_wider,
        }[dialect]
        self._with_size = dialect == "scrfd"

    def read_headed(self, lines: list[Line]) -> None:
        """Images that start with `#`."""
        image: LabelBuilder | None = None
        for number, text in lines:
            if text.startswith("#"):
                image = self._start(number, text)
            elif image is None:
                self._problem(number, "a face before the first image; images start with `# path`")
            else:
                self._face(image, number, text)

    def read_wider(self, lines: list[Line]) -> None:
        """Images that are a path, a count, and as many faces."""
        place = 0
        while place < len(lines):
            number, path = lines[place]
            place += 1
            if place == len(lines) or not _COUNT.fullmatch(lines[place][1]):
                found = f"found {lines[place][1][:60]!r}" if place < len(lines) else "the file ends"
                self._problem(number, f"expected the path of an image, then how many faces it has; {found}")
                # Faces that nobody counted: the next image is the next line that a count follows.
                continue
            image = self._image(number, path)
            count = int(lines[place][1])
            faces = lines[place + 1 : place + 1 + count]
            place += 1 + count
            if len(faces) < count:
                self._problem(number, f"{count} faces are announced, the file ends after {len(faces)}")
            for line, text in faces:
                self._face(image, line, text)
            if count == 0 and place < len(lines) and lines[place][1].split() == PLACEHOLDER.split():
                place += 1

    def _start(self, line: int, text: str) -> LabelBuilder:
        sized = split_size(text[1:]) if self._with_size else None
        path, size = sized or (text[1:].strip(), None)
        image = self._image(line, path)
        if size:
            self.sizes[path] = size
        return image

    def _image(self, line: int, path: str) -> LabelBuilder:
        image = LabelBuilder(path, line)
        if before := self.images.get(path):
            self._problem(line, f"{path} has labels already, in line {before.line}")
            return image
        try:
            require_inside(path)
        except ValueError as error:
            self._problem(line, str(error))
            return image
        self.images[path] = image
        return image

    def _face(self, image: LabelBuilder, line: int, text: str) -> None:
        try:
            self._add_face(image, _numbers(text))
        except ValueError as error:
            self._problem(line, str(error))

    def _problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(line, message))


def _numbers(text: str) -> list[float]:
    try:
        values = [float(value) for value in text.split()]
    except ValueError:
        raise ValueError(f"expected the numbers of one face, found {text[:60]!r}") from None
    require_pixels(values)
    return values


def _corners(values: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = values[:4]
    return x, y, x + width, y + height


def _points(values: list[float]) -> tuple[Point, ...]:
    """Landmarks `x y v` five times; a negative v means that this one is not known."""
    triples = zip(values[0::3], values[1::3], values[2::3], strict=True)
    return tuple(UNKNOWN if v < 0 else (x, y) for x, y, v in triples)


def _add_retinaface(image: LabelBuilder, values: list[float]) -> None:
    if len(values) == 20:
        image.add(_corners(values), landmarks=_points(values[4:19]), blur=values[19])
    elif len(values) == 4:
        image.add(_corners(values))
    else:
        raise ValueError(f"{len(values)} numbers for a face; `x y w h (x y v)x5 blur` are 20, `x y w h` are 4")


def _add_scrfd(image: LabelBuilder, values: list[float]) -> None:
    if len(values) not in (4, 5, 19, 20):
        raise ValueError(f"{len(values)} numbers for a face; `x1 y1 x2 y2 (x y v)x5` are 19, `x1 y1 x2 y2` are 4")
    x1, y1, x2, y2, *rest = values
    if len(rest) > 1:
        # A twentieth number, where a file has it, is RetinaFace's blur.
        image.add((x1, y1, x2, y2), landmarks=_points(rest[:15]), blur=rest[15] if len(rest) > 15 else math.nan)
    else:
        image.add((x1, y1, x2, y2), ignored=rest == [1])


def _add_wider(image: LabelBuilder, values: list[float]) -> None:
    if len(values) == 10:
        image.add(_corners(values), ignored=values[7] == 1, blur=values[4] / WIDER_BLUR, attributes=values[4:])
    elif len(values) == 5:
        raise ValueError("5 numbers for a face: `x y w h score` is what a detector found, not a label")
    else:
        raise ValueError(f"{len(values)} numbers for a face, WIDER FACE has 10: `x y w h` and six attributes")
