"""The model.json of a detector: how to show it photographs, and what its outputs mean."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from facejobs.data.model_description import (
    GRAPH_NAME,
    Description,
    DescriptionPart,
    FileName,
    Finite,
    Fraction,
    ImageTensor,
    Positive,
)

Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Side = Annotated[int, Field(gt=0)]
Stride = Annotated[int, Field(gt=0, le=4096)]


class PhotographInput(ImageTensor):
    """The input of a detector: photographs whose height and width are any multiples of `multiple`.

    A graph that takes one size only has that as `size`, (height, width); None otherwise.
    """

    multiple: Stride
    size: tuple[Side, Side] | None = None

    @model_validator(mode="after")
    def _size_is_a_multiple(self) -> Self:
        if self.size is not None and any(side % self.multiple for side in self.size):
            raise ValueError(f"size is {list(self.size)}, but {self.multiple} must divide both")
        return self


class DetectionOutputs(DescriptionPart):
    """Names of the output tensors, float32, A anchors each.

    `scores` (N, A) are probabilities of a face, or with 2 `classes` (N, A, 2) those of none and of a face; `boxes`
    (N, A, 4) and `landmarks` (N, A, 10) are offsets from the anchors, still encoded. `landmarks` is None for a detector
    without landmarks.
    """

    scores: Name
    boxes: Name
    landmarks: Name | None
    classes: Literal[1, 2] = 1


class LevelOutputs(DescriptionPart):
    """Names of the output tensors of a detector with `points`, float32, one of each kind for each stride.

    With A points on a level, `scores` hold A probabilities of a face, `boxes` A x 4 distances from the point to the
    left, the upper, the right and the lower edge, `landmarks` A x 10 offsets; all in strides, of one image at a time.
    """

    scores: Names
    boxes: Names
    landmarks: Names | None


def _kind_of_outputs(outputs: Any) -> str:
    if isinstance(outputs, dict):
        return "levels" if isinstance(outputs.get("scores"), list | tuple) else "anchors"
    return "levels" if isinstance(outputs, LevelOutputs) else "anchors"


Outputs = Annotated[
    Annotated[DetectionOutputs, Tag("anchors")] | Annotated[LevelOutputs, Tag("levels")],
    Discriminator(_kind_of_outputs),
]


class Anchors(DescriptionPart):
    """The anchors of a detector: of each level its stride and its sizes, in pixels, and the variances of the coding.

    The order of anchors: level by level, row by row, from left to right, size by size.
    """

    strides: tuple[Stride, ...] = Field(min_length=1)
    sizes: tuple[Annotated[tuple[Positive, ...], Field(min_length=1)], ...]
    variances: tuple[Positive, Positive]

    @model_validator(mode="after")
    def _sizes_for_each_stride(self) -> Self:
        if len(self.sizes) != len(self.strides):
            raise ValueError(f"{len(self.strides)} strides, but sizes for {len(self.sizes)}")
        return self


class Points(DescriptionPart):
    """The points of a detector that predicts distances from them: of each level the stride, in pixels.

    `per_cell` predictions belong to the upper left corner of each cell. Their order: row by row, from left to right.
    """

    strides: tuple[Stride, ...] = Field(min_length=1)
    per_cell: int = Field(gt=0)


class Cascade(DescriptionPart):
    """How MTCNN's three nets go through a photograph (see facejobs.data.detection.cascade).

    `graphs` are the files of P-, R- and O-Net; the A anchors of their outputs are the windows that they see.
    `smallest_face` is in pixels.
    """

    graphs: tuple[FileName, FileName, FileName]
    smallest_face: Annotated[Finite, Field(ge=1)]
    pyramid_factor: Annotated[float, Field(gt=0, le=0.99)]
    proposal_threshold: Fraction
    refinement_threshold: Fraction


class DetectionDescription(Description):
    """The whole of a detector's model.json; it has `anchors` or `points` and one graph, or is a `cascade` of three.

    A face is what scores at least `score_threshold`; of two that overlap by an IoU above `nms_iou`, the one with the
    higher score is kept.
    """

    task: Literal["detection"] = "detection"
    detector: Literal["retinaface", "ssh", "mtcnn", "scrfd"]
    input: PhotographInput
    outputs: Outputs
    anchors: Anchors | None = None
    points: Points | None = None
    cascade: Cascade | None = None
    score_threshold: Fraction
    nms_iou: Fraction

    @property
    def graphs(self) -> tuple[str, ...]:
        """The files that hold graphs."""
        return (GRAPH_NAME,) if self.cascade is None else self.cascade.graphs

    @model_validator(mode="after")
    def _one_geometry(self) -> Self:
        if sum(part is not None for part in (self.anchors, self.points, self.cascade)) != 1:
            raise ValueError("a detector has either anchors or points or a cascade")
        if (self.points is not None) != isinstance(self.outputs, LevelOutputs):
            raise ValueError("a detector with points, and no other, has lists of outputs, one for each stride")
        return self

    @model_validator(mode="after")
    def _outputs_for_each_stride(self) -> Self:
        if self.points is not None and isinstance(self.outputs, LevelOutputs):
            for names in (self.outputs.scores, self.outputs.boxes, self.outputs.landmarks):
                if names is not None and len(names) != len(self.points.strides):
                    raise ValueError(f"{len(self.points.strides)} strides, but {len(names)} outputs of a kind")
        return self

    @model_validator(mode="after")
    def _levels_cover_the_input(self) -> Self:
        for name, levels in (("anchors", self.anchors), ("points", self.points)):
            for stride in levels.strides if levels else ():
                if self.input.multiple % stride:
                    raise ValueError(f"{name} have the stride {stride}, of which input.multiple is no multiple")
        return self
