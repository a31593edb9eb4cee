"""Parameters of recognition training. The defaults suit large sets; recipes for small ones are in jobs/."""

from typing import Literal

from pydantic import Field

from facejobs.training.parameters import Parameters

# The names of facejobs.engines.mxnet.backbones.registry, here to be known without loading MXNet.
Backbone = Literal[
    "iresnet100", "iresnet18", "iresnet34", "iresnet50", "mobilefacenet", "mobilenet_v2", "resnet50_v1b", "vgg16"
]


class RecognitionParameters(Parameters):
    """Everything that decides what a recognition run computes. Losses: docs/concepts/losses.md."""

    backbone: Backbone = Field("mobilefacenet", description="network, by name")
    loss: Literal["softmax", "normface", "cosface", "arcface"] = Field("cosface", description="classification head")
    eval_data: tuple[str, ...] = Field(
        (), description="verification sets, comma-separated; none measures those that lie in and beside the data"
    )
    embedding_size: int = Field(512, ge=2, le=4096, description="numbers in an embedding")
    margin: float | None = Field(
        None, ge=0, lt=1.5, description="margin of cosface and arcface; none is that of the loss's paper"
    )
    scale: float | None = Field(
        None, gt=0, description="scale of cosines, which normface begins with; none is that of the loss's paper"
    )
    margin_ramp: float = Field(0.5, ge=0, le=1, description="share of the run over which the margin rises from zero")
    mirror: bool = Field(True, description="mirror half of the images")
    shift: int = Field(6, ge=0, le=32, description="largest shift in pixels, each way")
    brightness: float = Field(0.0, ge=0, le=0.9, description="brightness jitter")
    contrast: float = Field(0.2, ge=0, le=0.9, description="contrast jitter")
    colour: float = Field(0.0, ge=0, le=0.9, description="colour jitter, each channel by itself")
