"""model.json: what a published model expects and gives, and the digests of its files.

Loading checks the description against the files beside it, so that nobody has to look into a
graph to learn how to feed it. The format is described in docs/reference/model-json.md.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from facejobs.data.reading import reading
from facejobs.errors import ExitCode, FacejobsError

DESCRIPTION_NAME = "model.json"
GRAPH_NAME = "model.onnx"
_MAXIMUM_DESCRIPTION_BYTES = 16 * 1024 * 1024
_HASH_CHUNK = 1024 * 1024


class ModelError(FacejobsError):
    """A published model is missing, damaged, or not what its description says."""

    exit_code = ExitCode.BAD_MODEL


def _plain_file_name(name: str) -> str:
    if name in ("", ".", "..", DESCRIPTION_NAME) or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the plain name of a file beside {DESCRIPTION_NAME}")
    return name


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


FileName = Annotated[str, AfterValidator(_plain_file_name)]
Finite = Annotated[float, AfterValidator(_finite)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class _ImageTensor(_Part):
    """float32 NCHW, RGB, each pixel p (0..255) fed as (p - mean) * scale."""

    name: str = Field(min_length=1)
    channel_order: Literal["RGB"] = "RGB"
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["float32"] = "float32"
    mean: Finite = 127.5
    scale: Annotated[Finite, Field(gt=0.0)] = 1 / 128


class ModelInput(_ImageTensor):
    """The input of a recogniser: aligned faces of one size."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)


class ModelOutput(_Part):
    """The output tensor: float32 (N, embedding_size), not normalised to unit length."""

    name: str = Field(min_length=1)
    embedding_size: int = Field(gt=0)


class PhotographInput(_ImageTensor):
    """The input of a detector: photographs whose height and width are any multiples of `multiple`."""

    multiple: int = Field(gt=0)


class DetectionOutputs(_Part):
    """Names of the output tensors, float32, A anchors each.

    `scores` (N, A) are probabilities of a face; `boxes` (N, A, 4) and `landmarks` (N, A, 10) are offsets from the
    anchors, still encoded. `landmarks` is None for a detector without landmarks.
    """

    scores: str = Field(min_length=1)
    boxes: str = Field(min_length=1)
    landmarks: Annotated[str, Field(min_length=1)] | None


class Anchors(_Part):
    """The anchors of a detector: of each level its stride and its sizes, in pixels, and the variances of the coding.

    The order of anchors: level by level, row by row, from left to right, size by size.
    """

    strides: tuple[Annotated[int, Field(gt=0)], ...] = Field(min_length=1)
    sizes: tuple[Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)], ...]
    variances: tuple[Annotated[Finite, Field(gt=0)], Annotated[Finite, Field(gt=0)]]

    @model_validator(mode="after")
    def _sizes_for_each_stride(self) -> Self:
        if len(self.sizes) != len(self.strides):
            raise ValueError(f"{len(self.strides)} strides, but sizes for {len(self.sizes)}")
        return self


class Metric(_Part):
    """A measured number, with the protocol it was measured by."""

    name: str = Field(min_length=1)
    value: Finite
    protocol: str = Field(min_length=1)
    interval: tuple[Finite, Finite] | None = None


class OperatingPoint(_Part):
    """One row of the threshold table: accept a pair whose cosine similarity is at least `threshold`."""

    protocol: str = Field(min_length=1)
    far: Fraction
    threshold: Finite
    tar: Fraction


class FileDigest(_Part):
    """What a file beside model.json must be."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class _Description(_Part):
    """What model.json says of every model."""

    format_version: Literal[1] = 1
    backbone: str = Field(min_length=1)
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    files: dict[FileName, FileDigest] = Field(default_factory=dict)


class Cascade(_Part):
    """How MTCNN's three nets go through a photograph (see facejobs.data.detection.cascade).

    `graphs` are the files of P-, R- and O-Net; the A anchors of their outputs are the windows that they see.
    `smallest_face` is in pixels.
    """

    graphs: tuple[FileName, FileName, FileName]
    smallest_face: Annotated[Finite, Field(gt=0)]
    pyramid_factor: Annotated[float, Field(gt=0, lt=1)]
    proposal_threshold: Fraction
    refinement_threshold: Fraction


class RecognitionDescription(_Description):
    """The whole of a recogniser's model.json."""

    task: Literal["recognition"] = "recognition"
    input: ModelInput
    output: ModelOutput
    loss: str = Field(min_length=1)
    thresholds: tuple[OperatingPoint, ...] = ()

    @property
    def graphs(self) -> tuple[str, ...]:
        """The files that hold graphs."""
        return (GRAPH_NAME,)


class DetectionDescription(_Description):
    """The whole of a detector's model.json; it has `anchors` and one graph, or is a `cascade` of three.

    A face is what scores at least `score_threshold`; of two that overlap by an IoU above `nms_iou`, the one with the
    higher score is kept.
    """

    task: Literal["detection"] = "detection"
    detector: Literal["retinaface", "ssh", "mtcnn"]
    input: PhotographInput
    outputs: DetectionOutputs
    anchors: Anchors | None = None
    cascade: Cascade | None = None
    score_threshold: Fraction
    nms_iou: Fraction

    @property
    def graphs(self) -> tuple[str, ...]:
        """The files that hold graphs."""
        return (GRAPH_NAME,) if self.cascade is None else self.cascade.graphs

    @model_validator(mode="after")
    def _anchors_or_cascade(self) -> Self:
        if (self.anchors is None) == (self.cascade is None):
            raise ValueError("a detector has either anchors or a cascade")
        return self

    @model_validator(mode="after")
    def _levels_cover_the_input(self) -> Self:
        for stride in self.anchors.strides if self.anchors else ():
            if self.input.multiple % stride:
                raise ValueError(f"anchors have the stride {stride}, of which input.multiple is no multiple")
        return self


ModelDescription = RecognitionDescription | DetectionDescription
Described = TypeVar("Described", RecognitionDescription, DetectionDescription)
_ANY: TypeAdapter[ModelDescription] = TypeAdapter(Annotated[ModelDescription, Field(discriminator="task")])
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
        wanted = _NOUN[kind.model_fields["task"].default]
        raise ModelError(
            f"{folder} holds {_NOUN[description.task]}, where {wanted} is needed; give the model folder of {wanted}"
        )
    return description


def _load(folder: Path) -> ModelDescription:
    path = folder / DESCRIPTION_NAME
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder; give the folder that holds {DESCRIPTION_NAME}")
    if not path.is_file():
        raise ModelError(f"{folder} holds no {DESCRIPTION_NAME}, so it is not a published model")
    if path.stat().st_size > _MAXIMUM_DESCRIPTION_BYTES:
        raise ModelError(f"{path} is {path.stat().st_size} bytes long: too large to be a model description")
    try:
        description = _ANY.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(f"{path} is not a valid model description:\n{_explain(error)}") from None
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


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        # The task stands first, as the branch of the union that was tried.
        place = ".".join(str(part) for part in problem["loc"][1:]) or "file"
        lines.append(f"  {place}: {problem['msg']}")
    return "\n".join(lines)
