"""gallery.json: which files are the gallery now, which models made it, and what it was calibrated to.

The format is described in docs/reference/gallery-format.md.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from facejobs.data.reading import reading
from facejobs.gallery.errors import GalleryError
from facejobs.storage.whole_file import whole_file, write_all

DESCRIPTION_NAME = "gallery.json"
_FORMAT_VERSION = 1
_LARGEST = 16 * 1024 * 1024
_MOST_VALUES = 65536

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelRecord(_Part):
    """A model that made the gallery: what messages call it, and its digest."""

    name: str = Field(min_length=1)
    sha256: Digest


class FileRecord(_Part):
    """What a file beside gallery.json must be. Its name holds the first digits of its digest."""

    name: str = Field(pattern=r"^[a-z_]+-[0-9a-f]{16}\.[0-9a-z]+$")
    blake3: Digest
    bytes: Count


class CellSearch(_Part):
    """How vectors in cells are searched: the `probes` nearest of `cells` cells, and what that was measured to find.

    `recall_at_1` is the share of `queries` for which the nearest vector of all was found; a query is a vector of the
    gallery turned until its cosine similarity to itself is `query_similarity`.
    """

    cells: Annotated[int, Field(gt=0)]
    probes: Annotated[int, Field(gt=0)]
    recall_at_1: Annotated[float, Field(ge=0, le=1)]
    queries: Annotated[int, Field(gt=0)]
    query_similarity: Annotated[float, Field(gt=0, le=1)]


Role = Literal[
    "embeddings", "rows", "people", "photographs", "pictures", "means", "mean_people", "image_cells", "mean_cells"
]
_ALWAYS: tuple[Role, ...] = ("embeddings", "rows", "people", "photographs")


class GalleryDescription(_Part):
    """The whole of gallery.json but its checksum."""

    format_version: Literal[1] = 1
    detector: ModelRecord
    recogniser: ModelRecord
    embedding_size: Annotated[int, Field(gt=0, le=_MOST_VALUES)]
    people: Count
    images: Count
    image_search: CellSearch | None = None
    mean_search: CellSearch | None = None
    calibration: dict[str, JsonValue] | None = None
    files: dict[Role, FileRecord]

    @model_validator(mode="after")
    def _files_are_complete(self) -> Self:
        missing = [role for role in _ALWAYS if role not in self.files]
        if missing:
            raise ValueError(f"files lists no {missing[0]}")
        cells = {"image_cells": self.image_search, "mean_cells": self.mean_search}
        for role, search in cells.items():
            if (role in self.files) != (search is not None):
                raise ValueError(f"files.{role} and how it is searched belong together")
        return self


def require_file(path: Path) -> None:
    """Raise GalleryError for what is there and no file: to open a named pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise GalleryError(f"{path}: not a file")


def read_description(folder: Path) -> GalleryDescription:
    """Read `folder`/gallery.json; raises GalleryError where it is missing, invalid, or was edited by hand."""
    path = folder / DESCRIPTION_NAME
    require_file(path)
    with reading(path, GalleryError):
        try:
            size = path.stat().st_size
            content = path.read_bytes() if size <= _LARGEST else b""
        except FileNotFoundError:
            raise GalleryError(_no_gallery(folder)) from None
    if size > _LARGEST:
        raise GalleryError(f"{path} is {size} bytes long: too large to describe a gallery")
    try:
        document = json.loads(content)
        checksum = document.pop("checksum", None) if isinstance(document, dict) else None
        description = GalleryDescription.model_validate(document)
        expected = _serialise(description)
    except ValidationError as error:
        version = document.get("format_version") if isinstance(document, dict) else None
        if isinstance(version, int) and version > _FORMAT_VERSION:
            raise GalleryError(
                f"{path} has format_version {version}, and this facejobs reads {_FORMAT_VERSION}; use a newer one"
            ) from None
        raise GalleryError(f"{path} does not describe a gallery:\n{_explain(error)}") from None
    except (ValueError, RecursionError) as error:
        raise GalleryError(f"{path} is cut off or damaged ({error}); copy the whole gallery again") from None
    if expected != content:
        raise GalleryError(
            f"{path} was edited by hand or damaged: its content has not the checksum {checksum}; "
            "copy it again, and change a gallery by `facejobs gallery` only"
        )
    return description


def write_description(folder: Path, description: GalleryDescription) -> None:
    """Make `description` the gallery in `folder`, at once and durably."""
    with whole_file(folder / DESCRIPTION_NAME, durable=True) as descriptor:
        write_all(descriptor, _serialise(description), 0)


def _serialise(description: GalleryDescription) -> bytes:
    """gallery.json has one serialisation, so that a reader notices each byte that differs."""
    document: dict[str, Any] = description.model_dump(mode="json")
    checksum = blake3(json.dumps(document, allow_nan=False).encode()).hexdigest()
    return (json.dumps({**document, "checksum": checksum}, indent=2, allow_nan=False) + "\n").encode()


def _no_gallery(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} does not exist; give the folder of a gallery"
    if not folder.is_dir():
        return f"{folder} is a file; give the folder of a gallery"
    return f"{folder} holds no {DESCRIPTION_NAME}, so it is not a gallery; `facejobs gallery build` makes one"


def _explain(error: ValidationError) -> str:
    return "\n".join(
        f"  {'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )
