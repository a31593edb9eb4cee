"""A published model: a folder with model.json and the files that it describes.

Loading checks the description against the files beside it, so that nobody has to look into a
graph to learn how to feed it.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic_core import from_json

from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.detection.haar_cascade import HaarDescription
from facejobs.data.errors import ModelError
from facejobs.data.model_description import DESCRIPTION_NAME, FileDigest, RecognitionDescription
from facejobs.data.reading import reading

_MAXIMUM_DESCRIPTION_BYTES = 16 * 1024 * 1024
_HASH_CHUNK = 1024 * 1024

ModelDescription = RecognitionDescription | DetectionDescription | HaarDescription
Described = TypeVar("Described", RecognitionDescription, DetectionDescription)


def _kind_of_detector(document: Any) -> str:
    detector = document.get("detector") if isinstance(document, dict) else document.detector
    return "haar" if detector == "haar" else "net"


_Detector = Annotated[
    Annotated[DetectionDescription, Tag("net")] | Annotated[HaarDescription, Tag("haar")],
    Discriminator(_kind_of_detector),
]
_ANY: TypeAdapter[ModelDescription] = TypeAdapter(
    Annotated[RecognitionDescription | _Detector, Field(discriminator="task")]
)
_NOUN = {"recognition": "a recogniser", "detection": "a detector"}


def describe_files(folder: Path, names: Sequence[str]) -> dict[str, FileDigest]:
    """Return size and SHA-256 of each named file of `folder`; raises ModelError where one is missing."""
    digests = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path} is missing, so it cannot be listed in {DESCRIPTION_NAME}")
        digests[name] = FileDigest(sha256=_sha256(path), bytes=path.stat().st_size)
    return digests


def write_description(folder: Path, description: ModelDescription) -> Path:
    """Write `folder`/model.json through a temporary file, so that a reader never sees half of one.

    The files it lists must lie in `folder` already; raises ModelError where they differ from the description.
    """
    _check_files(folder, description)
    target = folder / DESCRIPTION_NAME
    text = json.dumps(description.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
    handle, temporary = tempfile.mkstemp(prefix=f".{DESCRIPTION_NAME}.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def load_description(folder: Path, kind: type[Described]) -> Described:
    """Read `folder`/model.json, the description of a model of this `kind`, and verify the presence, size and SHA-256
    of every file it lists.

    Raises ModelError where the description is missing, invalid or of another kind, does not list a graph, or where
    a file differs from what it says, or may not be read.
    """
    with reading(folder, ModelError):
        description = _load(folder)
    if not isinstance(description, kind):
        raise _another_kind(folder, description, _NOUN[kind.model_fields["task"].default])
    return description


def load_detector(folder: Path) -> DetectionDescription | HaarDescription:
    """Read and verify the description of any detector, as `load_description` does."""
    with reading(folder, ModelError):
        description = _load(folder)
    if isinstance(description, RecognitionDescription):
        raise _another_kind(folder, description, _NOUN["detection"])
    return description


def _another_kind(folder: Path, description: ModelDescription, wanted: str) -> ModelError:
    found = "a Haar cascade" if isinstance(description, HaarDescription) else _NOUN[description.task]
    return ModelError(f"{folder} holds {found}, where {wanted} is needed; give the model folder of {wanted}")


def _load(folder: Path) -> ModelDescription:
    path = folder / DESCRIPTION_NAME
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder; give the folder that holds {DESCRIPTION_NAME}")
    if not path.is_file():
        raise ModelError(f"{folder} holds no {DESCRIPTION_NAME}, so it is not a published model")
    if path.stat().st_size > _MAXIMUM_DESCRIPTION_BYTES:
        raise ModelError(f"{path} is {path.stat().st_size} bytes long: too large to be a model description")
    content = path.read_bytes()
    try:
        description = _ANY.validate_json(content)
    except ValidationError as error:
        raise ModelError(f"{path} is not a valid model description:\n{_explain(error, content)}") from None
    for name in description.graphs:
        if name not in description.files:
            raise ModelError(f"{path} does not list {name} under files, so its content cannot be verified")
    _check_files(folder, description)
    return description


def find_model_folder(path: Path) -> Path:
    """Return `path` if it holds model.json, or `path`/model, where a training run publishes its model.

    Raises ModelError where neither does.
    """
    with reading(path, ModelError):
        return _find(path)


def _find(path: Path) -> Path:
    if not path.exists():
        raise ModelError(f"{path} does not exist; give a model folder or the output folder of a run")
    for folder in (path, path / "model"):
        if (folder / DESCRIPTION_NAME).is_file():
            return folder
    raise ModelError(
        f"no {DESCRIPTION_NAME} in {path} nor in {path / 'model'}; give a model folder or the output folder of a run "
        "that has published its model"
    )


def _check_files(folder: Path, description: ModelDescription) -> None:
    for name, digest in description.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(
                f"{path} is missing, though {DESCRIPTION_NAME} lists it; copy the whole model folder again"
            )
        size = path.stat().st_size
        if size != digest.bytes:
            raise ModelError(
                f"{path} is {size} bytes long, {DESCRIPTION_NAME} says {digest.bytes}; "
                "copy the whole model folder again"
            )
        found = _sha256(path)
        if found != digest.sha256:
            raise ModelError(
                f"{path} has SHA-256 {found}, {DESCRIPTION_NAME} says {digest.sha256}; "
                "the file was changed or damaged, copy the whole model folder again"
            )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _explain(error: ValidationError, content: bytes) -> str:
    problems = error.errors(include_url=False, include_input=False)
    invalid = any(problem["type"] == "json_invalid" for problem in problems)
    document = None if invalid else from_json(content)
    lines = []
    for problem in problems:
        missing = problem["loc"][-1:] if problem["type"] == "missing" else ()
        place = ".".join(map(str, (*_place(problem["loc"], document), *missing)))
        lines.append(f"  {place or 'file'}: {problem['msg']}")
    return "\n".join(dict.fromkeys(lines))


def _place(location: tuple[int | str, ...], document: Any) -> Iterator[int | str]:
    """Yield the parts of a location that are in the document; between them are names of branches that were tried."""
    for part in location:
        by_number = dict(enumerate(document)) if isinstance(document, list) else document
        if isinstance(by_number, dict) and part in by_number:
            document = by_number[part]
            yield part
