"""MobileNet v1 of width 1/4 (Howard et al., 2017, arXiv:1704.04861) as RetinaFace uses it."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.layers import ConvolutionUnit

# Output channels and stride of the depthwise separable convolutions; each stage ends where its feature map is tapped.
_STAGES = (
    ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1)),
    ((128, 2), (128, 1), (128, 1), (128, 1), (128, 1), (128, 1)),
    ((256, 2), (256, 1)),
)


class QuarterMobileNet(nn.HybridBlock):
    """Normalised images (N, 3, H, W) -> feature maps of 64, 128 and 256 channels at strides 8, 16 and 32."""

    channels = (64, 128, 256)

    def __init__(self, devices: int = 1) -> None:
        super().__init__()
        inputs = 8
        with self.name_scope():
            self.stem = ConvolutionUnit(3, inputs, 3, devices, stride=2)
            self.stages = nn.HybridSequential()
            for units in _STAGES:
                stage = nn.HybridSequential()
                for outputs, stride in units:
                    stage.add(
                        ConvolutionUnit(inputs, inputs, 3, devices, stride, groups=inputs),
                        ConvolutionUnit(inputs, outputs, 1, devices),
                    )
                    inputs = outputs
                self.stages.add(stage)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
