"""From images to embeddings: a backbone and the head that fits it."""

from typing import Any

from mxnet.gluon import nn

from facejobs.engines.mxnet.backbones.iresnet import EPSILON
from facejobs.engines.mxnet.backbones.registry import build_backbone
from facejobs.engines.mxnet.batch_norm import batch_norm
from facejobs.engines.mxnet.initialization import use_he_normal

_DROPOUT = 0.4


class DenseHead(nn.HybridBlock):
    """Head 'E' of ArcFace (Deng et al., 2019): BN, dropout, fully connected, BN with gamma fixed at 1."""

    def __init__(self, embedding_size: int, devices: int = 1) -> None:
        super().__init__()
        self._size = embedding_size
        with self.name_scope():
            self.norm = batch_norm(0, devices, EPSILON)
            self.dropout = nn.Dropout(_DROPOUT)
            self.dense = nn.Dense(embedding_size, flatten=True)
            self.output_norm = batch_norm(embedding_size, devices, EPSILON, fixed_gamma=True)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Feature map (N, C, H, W) -> (N, embedding_size)."""
        x = self.dense(self.dropout(self.norm(x)))
        # MXNet's batch norm of two dimensions crashes on CPUs with AVX-512.
        return F.Flatten(self.output_norm(F.reshape(x, (-1, self._size, 1, 1))))


class GlobalDepthwiseHead(nn.HybridBlock):
    """MobileFaceNet's head: a linear 7x7 depthwise convolution in place of pooling, then a linear 1x1 convolution."""

    def __init__(self, embedding_size: int, devices: int = 1) -> None:
        super().__init__()
        with self.name_scope():
            self.pool = nn.Conv2D(512, 7, groups=512, use_bias=False, in_channels=512)
            self.norm = batch_norm(512, devices)
            self.project = nn.Conv2D(embedding_size, 1, use_bias=False, in_channels=512)
            self.output_norm = batch_norm(embedding_size, devices)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Feature map (N, 512, 7, 7) -> (N, embedding_size)."""
        return F.Flatten(self.output_norm(self.project(self.norm(self.pool(x)))))


class EmbeddingNet(nn.HybridBlock):
    """Normalised images (N, 3, 112, 112) -> embeddings (N, E), not scaled to unit length."""

    def __init__(self, backbone: str, embedding_size: int, devices: int) -> None:
        super().__init__(prefix="net_")
        self.backbone_name = backbone
        self.embedding_size = embedding_size
        head = GlobalDepthwiseHead if backbone == "mobilefacenet" else DenseHead
        with self.name_scope():
            self.backbone = build_backbone(backbone, devices)
            self.head = head(embedding_size, devices)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.head(self.backbone(x))


def build_embedding_net(backbone: str, embedding_size: int, devices: int = 1) -> EmbeddingNet:
    """The net that training trains and the model publishes, not initialised; batch norms are joint over `devices`.

    Names, structural or not, depend on nothing but the arguments. Raises ParameterError, EngineError.
    """
    net = EmbeddingNet(backbone, embedding_size, devices)
    use_he_normal(net)
    return net
