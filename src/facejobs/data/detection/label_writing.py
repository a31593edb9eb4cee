"""Label files written in any dialect of `label_files`, to a thousandth of a pixel."""

from collections.abc import Iterable, Mapping

import numpy as np

from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.label_building import require_inside
from facejobs.data.detection.label_files import PLACEHOLDER, WIDER_BLUR, Dialect, split_size
from facejobs.data.errors import DataError

_UNKNOWN = "-1.0"
_UNKNOWN_POINT = f"{_UNKNOWN} {_UNKNOWN} {_UNKNOWN}"


def label_bytes(
    dialect: Dialect, images: Iterable[LabelledImage], sizes: Mapping[str, tuple[int, int]] | None = None
) -> bytes:
    """Return the content of a label file; `sizes`, (height, width) of every image by its path, is for `scrfd` only.

    Raises DataError for an image whose path the dialect cannot hold. What else it cannot hold is left out; `losses`
    counts it.
    """
    lines: list[str] = []
    for image in images:
        require_writable(image.path, dialect)
        lines += _header(image, dialect, sizes or {})
        lines += (_face(image, face, dialect) for face in range(len(image)))
        if dialect == "wider" and not len(image):
            lines.append(PLACEHOLDER)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", errors="surrogateescape")


def require_writable(path: str, dialect: Dialect) -> None:
    """Raise DataError for the path of an image that would be read back as another one."""
    try:
        require_inside(path)
        path.encode("utf-8", errors="surrogateescape")
    except ValueError as error:
        raise DataError(str(error)) from None
    if path != path.strip() or "\n" in path or "\0" in path:
        raise DataError(f"{path!r}: a label file cannot hold a path with line breaks or blanks at its ends")
    misleading = path.startswith("#") if dialect == "wider" else dialect != "scrfd" and split_size(path)
    if misleading:
        raise DataError(f"{path!r}: in a {dialect} file this path would be taken for another dialect; rename the image")


def losses(dialect: Dialect, images: Iterable[LabelledImage]) -> dict[str, int]:
    """How many faces lose what in a dialect, each at least 1.

    `landmarks`, `blur`, `ignored` (the mark), and `attributes`: what only WIDER FACE says of faces.
    """
    lost = dict.fromkeys(("landmarks", "blur", "ignored", "attributes"), 0)
    for image in images:
        has_area = (image.boxes[:, 2:] > image.boxes[:, :2]).all(axis=1)
        known = ~np.isnan(image.landmarks).any(axis=2).all(axis=1)
        if dialect == "scrfd":
            known &= image.ignored
        if dialect != "retinaface":
            lost["landmarks"] += int(known.sum())
        if dialect in ("boxes", "scrfd"):
            lost["blur"] += int((~np.isnan(image.blur)).sum())
        if dialect in ("boxes", "retinaface"):
            lost["ignored"] += int((image.ignored & has_area).sum())
        if dialect != "wider" and image.attributes is not None:
            lost["attributes"] += len(image)
    return {what: faces for what, faces in lost.items() if faces}


def _header(image: LabelledImage, dialect: Dialect, sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    if dialect == "wider":
        return [image.path, str(len(image))]
    if dialect == "scrfd":
        height, width = sizes[image.path]
        return [f"# {image.path} {width} {height}"]
    return [f"# {image.path}"]


def _face(image: LabelledImage, face: int, dialect: Dialect) -> str:
    x1, y1, x2, y2 = (float(value) for value in image.boxes[face])
    box = _join((x1, y1, x2, y2) if dialect == "scrfd" else (x1, y1, x2 - x1, y2 - y1))
    blur, ignored = float(image.blur[face]), bool(image.ignored[face])
    if dialect == "boxes":
        return box
    if dialect == "wider":
        if image.attributes is not None:
            return f"{box} {_join(image.attributes[face].tolist())}"
        level = 0 if np.isnan(blur) else round(blur * WIDER_BLUR)
        return f"{box} {level} 0 0 {int(ignored)} 0 0"
    if dialect == "scrfd" and ignored:
        return f"{box} 1"
    points = " ".join(
        _UNKNOWN_POINT if np.isnan((x, y)).any() else f"{_join((x, y))} 0.0" for x, y in image.landmarks[face].tolist()
    )
    if dialect == "scrfd":
        return f"{box} {points}"
    return f"{box} {points} {_UNKNOWN if np.isnan(blur) else _number(blur)}"


def _join(values: Iterable[float]) -> str:
    return " ".join(map(_number, values))


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
