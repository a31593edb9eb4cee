"""model.json: what a published model expects, gives and reached; here what all models share, and recognisers.

The format is described in docs/reference/model-json.md; facejobs.data.detection.detector_description has detectors.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

DESCRIPTION_NAME = "model.json"
GRAPH_NAME = "model.onnx"


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
Positive = Annotated[Finite, Field(gt=0.0)]
ChannelOrder = Literal["RGB", "BGR"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class DescriptionPart(BaseModel):
    """Refuses fields that it does not know, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ImageTensor(DescriptionPart):
    """float32 NCHW, each pixel p (0..255) fed as (p - mean) * scale.

    `mean` and `scale` are numbers, or one for each channel, in the order in which the channels are fed. `batch` is 1
    where the graph takes one image at a time, and None where it takes any number.
    """

    name: str = Field(min_length=1)
    channel_order: ChannelOrder = "RGB"
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["float32"] = "float32"
    mean: Finite | tuple[Finite, Finite, Finite] = 127.5
    scale: Positive | tuple[Positive, Positive, Positive] = 1 / 128
    batch: Literal[1] | None = None


class ModelInput(ImageTensor):
    """The input of a recogniser: aligned faces of one size."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)


class ModelOutput(DescriptionPart):
    """The output tensor: float32 (N, embedding_size), not normalised to unit length."""

    name: str = Field(min_length=1)
    embedding_size: int = Field(gt=0)


class Metric(DescriptionPart):
    """A measured number, with the protocol it was measured by."""

    name: str = Field(min_length=1)
    value: Finite
    protocol: str = Field(min_length=1)
    interval: tuple[Finite, Finite] | None = None


class OperatingPoint(DescriptionPart):
    """One row of the threshold table: accept a pair whose cosine similarity is at least `threshold`."""

    protocol: str = Field(min_length=1)
    far: Fraction
    threshold: Finite
    tar: Fraction


class FileDigest(DescriptionPart):
    """What a file beside model.json must be."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Description(DescriptionPart):
    """What model.json says of every model."""

    format_version: Literal[1] = 1
    backbone: str = Field(min_length=1)
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    files: dict[FileName, FileDigest] = Field(default_factory=dict)


class RecognitionDescription(Description):
    """The whole of a recogniser's model.json; `loss` is None where it is not known."""

    task: Literal["recognition"] = "recognition"
    input: ModelInput
    output: ModelOutput
    loss: Annotated[str, Field(min_length=1)] | None = None
    thresholds: tuple[OperatingPoint, ...] = ()

    @property
    def graphs(self) -> tuple[str, ...]:
        """The files that hold graphs."""
        return (GRAPH_NAME,)
