"""The model.json of a detector: how to show it photographs, and what its outputs mean."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from facejobs.data.model_description import (
    GRAPH_NAME,
    Description,
    DescriptionPart,
    FileName,
    Finite,
    Fraction,
    ImageTensor,
)


class PhotographInput(ImageTensor):
    """The input of a detector: photographs whose height and width are any multiples of `multiple`."""

    multiple: int = Field(gt=0)


class DetectionOutputs(DescriptionPart):
    """Names of the output tensors, float32, A anchors each.

    `scores` (N, A) are probabilities of a face; `boxes` (N, A, 4) and `landmarks` (N, A, 10) are offsets from the
    anchors, still encoded. `landmarks` is None for a detector without landmarks.
    """

    scores: str = Field(min_length=1)
    boxes: str = Field(min_length=1)
    landmarks: Annotated[str, Field(min_length=1)] | None


class Anchors(DescriptionPart):
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


class Cascade(DescriptionPart):
    """How MTCNN's three nets go through a photograph (see facejobs.data.detection.cascade).

    `graphs` are the files of P-, R- and O-Net; the A anchors of their outputs are the windows that they see.
    `smallest_face` is in pixels.
    """

    graphs: tuple[FileName, FileName, FileName]
    smallest_face: Annotated[Finite, Field(gt=0)]
    pyramid_factor: Annotated[float, Field(gt=0, lt=1)]
    proposal_threshold: Fraction
    refinement_threshold: Fraction


class DetectionDescription(Description):
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
