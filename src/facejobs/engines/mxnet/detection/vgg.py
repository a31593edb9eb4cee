"""VGG-16 (Simonyan and Zisserman, 2015, arXiv:1409.1556) with batch norms, for detectors."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.layers import ConvolutionUnit

# Channels and convolutions of each block; a block ends with a pooling that halves the map.
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
_TAPPED = (3, 4)


class VGG16Pyramid(nn.HybridBlock):
    """Normalised images (N, 3, H, W) -> conv4_3, conv5_3 and pool5: 512 channels at strides 8, 16 and 32."""

    channels = (512, 512, 512)

    def __init__(self, devices: int = 1) -> None:
        super().__init__()
        inputs = 3
        with self.name_scope():
            self.blocks = nn.HybridSequential()
            for outputs, convolutions in _BLOCKS:
                block = nn.HybridSequential()
                for _ in range(convolutions):
                    block.add(ConvolutionUnit(inputs, outputs, 3, devices))
                    inputs = outputs
                self.blocks.add(block)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _TAPPED:
                maps.append(x)
            x = F.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
        return [*maps, x]
