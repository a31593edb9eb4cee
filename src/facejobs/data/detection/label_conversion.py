"""Labels from one dialect, Pascal VOC or COCO into another dialect, and what is lost on the way."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.detection.coco_labels import read_coco
from facejobs.data.detection.detection_split import IMAGES, LABELS
from facejobs.data.detection.label_files import Dialect, LabelFile, Source, read_labels
from facejobs.data.detection.label_writing import label_bytes, losses
from facejobs.data.detection.photographs import of_file, photograph_size
from facejobs.data.detection.voc_labels import read_voc
from facejobs.data.errors import DataError, OutputExistsError
from facejobs.data.reading import reading
from facejobs.storage.whole_file import whole_file, write_all

_JSON_STARTS = (b"{", b"[")
_SNIFFED = 1024


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What was converted. `lost` counts faces by what of them the dialect cannot hold; `passed_over` counts objects
    of other classes by their name.
    """

    source: Source
    images: int
    faces: int
    lost: dict[str, int]
    passed_over: Counter[str]


def convert_labels(source: Path, target: Path, dialect: Dialect, images: Path | None = None) -> ConversionReport:
    """Write the labels of `source` to the new file `target`, which appears whole or not at all.

    `source` is a label file, a folder with `label.txt`, a folder of VOC's XML files, or a COCO file, told by its
    content. `scrfd` states the size of each image: where the source does not, it is read from the photographs in
    `images`, by default the folder `images` beside the labels. Raises DataError for bad input, OutputExistsError
    where `target` exists.
    """
    if os.path.lexists(target):
        raise OutputExistsError(f"{target}: exists already and is left as it is; name a new file or remove it")
    labels, passed_over = _read(source)
    beside = source if source.is_dir() else source.parent
    sizes = _sizes(labels, images or beside / IMAGES) if dialect == "scrfd" else None
    content = label_bytes(dialect, labels.images, sizes)
    try:
        with whole_file(target) as descriptor:
            write_all(descriptor, content, 0)
    except OSError as error:
        error.filename = str(target)
        raise
    faces = sum(map(len, labels.images))
    return ConversionReport(labels.dialect, len(labels.images), faces, losses(dialect, labels.images), passed_over)


def _read(source: Path) -> tuple[LabelFile, Counter[str]]:
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if source.is_dir():
        if (source / LABELS).is_file():
            return read_labels(source / LABELS), Counter()
        return read_voc(source)
    with reading(source), source.open("rb") as file:
        start = file.read(_SNIFFED).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(_JSON_STARTS):
        return read_coco(source)
    return read_labels(source), Counter()


def _sizes(labels: LabelFile, folder: Path) -> dict[str, tuple[int, int]]:
    sizes = dict(labels.sizes)
    for image in labels.images:
        if image.path not in sizes:
            try:
                sizes[image.path] = of_file(folder / image.path, photograph_size)
            except DataError as error:
                raise DataError(f"{error}; scrfd states its size: --images names the folder of photographs") from None
    return sizes
