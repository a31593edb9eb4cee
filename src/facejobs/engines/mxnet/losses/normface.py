"""NormFace (Wang et al., 2017, arXiv:1704.06369): s * cos, with s learnt."""

from typing import Any

import mxnet as mx

from facejobs.engines.mxnet.losses.margin import CosineHead, cross_entropy


class NormFace(CosineHead):
    """logits = s * c; there is no margin, the argument is ignored. `scale` is where s starts."""

    def __init__(self, classes: int, embedding_size: int, scale: float) -> None:
        super().__init__(classes, embedding_size, scale)
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(1,), init=mx.init.Constant(scale))

    def hybrid_forward(
        self,
        F: Any,  # noqa: N803
        embedding: Any,
        labels: Any,
        margin: Any,  # noqa: ARG002
        weight: Any,
        scale: Any,
    ) -> Any:
        """Embeddings (N, E), labels (N,) -> losses (N,), cosines (N, classes)."""
        cosines = self.cosines(F, embedding, weight)
        logits = F.broadcast_mul(cosines, F.reshape(scale, (1, 1)))
        return cross_entropy(F, logits, labels), cosines
