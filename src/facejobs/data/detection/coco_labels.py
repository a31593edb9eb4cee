"""Labels from COCO: one JSON file with `images`, `annotations` and `categories`."""

import json
from collections import Counter
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from facejobs.data.detection.faces import LANDMARKS
from facejobs.data.detection.label_building import (
    NO_LANDMARKS,
    UNKNOWN,
    LabelBuilder,
    Point,
    require_inside,
    require_pixels,
)
from facejobs.data.detection.label_files import LabelFile
from facejobs.data.detection.voc_labels import face_class
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

_Id = int | str


class _Image(BaseModel):
    id: _Id
    file_name: str
    height: int | None = Field(None, gt=0, lt=1_000_000)
    width: int | None = Field(None, gt=0, lt=1_000_000)


class _Annotation(BaseModel):
    image_id: _Id
    category_id: _Id
    bbox: list[float] = Field(min_length=4, max_length=4)
    iscrowd: int = 0
    ignore: int = 0
    keypoints: list[float] = []


class _Category(BaseModel):
    id: _Id
    name: str


class _Coco(BaseModel):
    images: list[_Image] = Field(min_length=1)
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco(path: Path) -> tuple[LabelFile, Counter[str]]:
    """Read a COCO file; five `keypoints` are taken for the five landmarks, any other number is passed over.

    An annotation is a face if its category is named so, or if the file has one category; the others are counted by
    name. `iscrowd` and `ignore` make a face `ignored`. Raises DataError, naming the entry, for anything malformed.
    """
    coco = _load(path)
    names = {category.id: category.name for category in coco.categories}
    face = face_class(list(dict.fromkeys(names.values())), path)
    images = _images(coco, path)
    passed_over: Counter[str] = Counter()
    for number, annotation in enumerate(coco.annotations):
        try:
            if annotation.category_id not in names:
                raise ValueError(f"category_id {annotation.category_id} is not among the categories")
            if annotation.image_id not in images:
                raise ValueError(f"image_id {annotation.image_id} is not among the images")
            name = names[annotation.category_id]
            if name == face:
                _add(images[annotation.image_id], annotation)
            else:
                passed_over[name] += 1
        except ValueError as error:
            raise DataError(f"{path}: annotations[{number}]: {error}") from None
    sizes = {image.file_name: (image.height, image.width) for image in coco.images if image.height and image.width}
    return LabelFile("coco", tuple(image.labelled() for image in images.values()), sizes), passed_over


def _load(path: Path) -> _Coco:
    try:
        with reading(path):
            content = path.read_bytes()
        return _Coco.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        raise DataError(f"{path}: {place or 'the file'}: {first['msg']}; not a COCO file as it stands") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from None


def _images(coco: _Coco, path: Path) -> dict[_Id, LabelBuilder]:
    images: dict[_Id, LabelBuilder] = {}
    paths: set[str] = set()
    for number, image in enumerate(coco.images):
        try:
            require_inside(image.file_name)
            if image.id in images or image.file_name in paths:
                raise ValueError(f"another image has the id {image.id} or the file_name {image.file_name}")
        except ValueError as error:
            raise DataError(f"{path}: images[{number}]: {error}") from None
        images[image.id] = LabelBuilder(image.file_name, 1)
        paths.add(image.file_name)
    return images


def _add(image: LabelBuilder, annotation: _Annotation) -> None:
    x, y, width, height = annotation.bbox
    require_pixels([*annotation.bbox, *annotation.keypoints])
    ignored = bool(annotation.iscrowd or annotation.ignore)
    image.add((x, y, x + width, y + height), ignored, _landmarks(annotation.keypoints))


def _landmarks(keypoints: list[float]) -> tuple[Point, ...]:
    """Keypoints are x, y, v; a v of 0 means that the point is not labelled."""
    if len(keypoints) != 3 * LANDMARKS:
        return NO_LANDMARKS
    triples = zip(keypoints[0::3], keypoints[1::3], keypoints[2::3], strict=True)
    return tuple((x, y) if v > 0 else UNKNOWN for x, y, v in triples)
