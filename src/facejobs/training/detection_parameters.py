"""Parameters of detection training. The defaults suit large sets; recipes for small ones are in jobs/."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.cascade import CascadeSettings
from facejobs.data.detection.test_scale import TestScale
from facejobs.data.errors import RequestError
from facejobs.training.parameters import Parameters, option_name

LAYOUT = AnchorLayout()
"""The anchors of the detectors that are trained."""
CASCADE = CascadeSettings()
"""How mtcnn's nets go through a photograph."""
_LARGEST_SIZE = 4096


class DetectionParameters(Parameters):
    """Everything that decides what a detection run computes."""

    detector: Literal["retinaface", "ssh", "mtcnn", "haar"] = Field(
        "retinaface",
        description="kind of detector; ssh (of VGG-16) and mtcnn have nets of their own, whatever --backbone says, and "
        "haar is trained by OpenCV's programs",
    )
    backbone: Literal["mobilenet0.25", "mobilenet_v2", "resnet50"] = Field(
        "mobilenet0.25", description="network, by name"
    )
    batch_size: int = Field(32, ge=1, description="photographs a step, over all devices together")
    epochs: int = Field(250, ge=1, description="passes over the data")
    lr: float = Field(1e-3, gt=0, description="learning rate after the warm-up")
    schedule: Literal["constant", "step", "linear", "cosine", "plateau"] = Field(
        "step", description="how the learning rate falls"
    )
    lr_steps: tuple[float, ...] = Field(
        (0.76, 0.88),
        description="step schedule: ascending fractions of the run, in (0, 1), at which --lr-decay is applied",
    )
    eval_data: tuple[str, ...] = Field(
        (), description="labelled splits, comma-separated, the first decides; none measures val beside the data"
    )
    eval_scale: str = Field("original", description="scale of photographs in evaluations, such as original, short-640")
    image_sizes: tuple[int, ...] = Field(
        (640,), description="sides of the square training images in pixels, comma-separated; each step draws one"
    )
    positive_iou: float = Field(0.35, gt=0, lt=1, description="overlap from which on an anchor is a face")
    negative_iou: float = Field(0.3, gt=0, lt=1, description="overlap below which an anchor is background")
    best_iou: float = Field(
        0.2, gt=0, lt=1, description="overlap from which on a face without any such anchor gets its best one"
    )
    negative_ratio: float = Field(7.0, gt=0, description="hardest background anchors that count, for each of a face")
    class_weight: float = Field(1.0, ge=0, description="weight of the classification loss")
    box_weight: float = Field(2.0, ge=0, description="weight of the box loss")
    landmark_weight: float = Field(1.0, ge=0, description="weight of the landmark loss")
    crop_scales: tuple[float, ...] = Field(
        (0.3, 0.45, 0.6, 0.8, 1.0),
        description="sides of the random square crop, as shares of the photograph's short side; each image draws one; "
        "none shows photographs whole",
    )
    smallest_face: float = Field(
        5.0, ge=0, description="faces narrower or lower than this in a training image, in pixels, are left out"
    )
    mirror: bool = Field(True, description="mirror half of the images")
    brightness: float = Field(0.25, ge=0, le=0.9, description="brightness jitter")
    contrast: float = Field(0.4, ge=0, le=0.9, description="contrast jitter")
    colour: float = Field(0.15, ge=0, le=0.9, description="colour jitter, each channel by itself")
    nms_iou: float = Field(0.4, gt=0, lt=1, description="overlap above which the lower of two scores is dropped")

    @field_validator("image_sizes")
    @classmethod
    def _whole_cells(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        multiple = LAYOUT.multiple
        if not sizes or any(not multiple <= size <= _LARGEST_SIZE or size % multiple for size in sizes):
            raise ValueError(f"give multiples of {multiple}, up to {_LARGEST_SIZE}, such as 512,640")
        return sizes

    @field_validator("crop_scales")
    @classmethod
    def _scales(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0.05 <= scale <= 4 for scale in scales):
            raise ValueError("give shares of the short side, from 0.05 to 4, such as 0.3,0.6,1")
        return scales

    @field_validator("eval_scale")
    @classmethod
    def _known_scale(cls, name: str) -> str:
        try:
            return TestScale.parse(name).name
        except RequestError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        for name in ("negative_iou", "best_iou"):
            if getattr(self, name) > self.positive_iou:
                raise ValueError(f"{option_name(name)} is above --positive-iou; it is a lower bound than that")
        return self
