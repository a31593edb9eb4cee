"""Plain softmax cross-entropy over a linear layer with bias."""

from typing import Any

import mxnet as mx
from mxnet.gluon import nn

from facejobs.engines.mxnet.losses.margin import WEIGHT_DEVIATION, cross_entropy


class Softmax(nn.HybridBlock):
    """logits = W x + b; there is no margin, the argument is ignored."""

    def __init__(self, classes: int, embedding_size: int) -> None:
        super().__init__(prefix="head_")
        self._classes = classes
        with self.name_scope():
            self.weight = self.params.get(
                "weight", shape=(classes, embedding_size), init=mx.init.Normal(WEIGHT_DEVIATION)
            )
            self.bias = self.params.get("bias", shape=(classes,), init="zeros")

    def hybrid_forward(
        self,
        F: Any,  # noqa: N803
        embedding: Any,
        labels: Any,
        margin: Any,  # noqa: ARG002
        weight: Any,
        bias: Any,
    ) -> Any:
        """Embeddings (N, E), labels (N,) -> losses (N,), logits (N, classes)."""
        logits = F.FullyConnected(embedding, weight, bias, num_hidden=self._classes, flatten=False)
        return cross_entropy(F, logits, labels), logits
