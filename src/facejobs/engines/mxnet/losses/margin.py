"""What the heads share: cosines of embeddings and class weights, the true class's logit, and cross-entropy."""

from typing import Any

import mxnet as mx
from mxnet.gluon import nn

WEIGHT_DEVIATION = 0.01


class CosineHead(nn.HybridBlock):
    """Logits from the cosine between embedding (N, E) and class weights (classes, E); subclasses shape them.

    Called with embeddings, labels (N,) in 0..classes-1 and margin (1,), it gives the cross-entropy (N,) and the
    cosines (N, classes). The margin is an input so that it can change between steps of one compiled graph.
    """

    def __init__(self, classes: int, embedding_size: int, scale: float) -> None:
        super().__init__(prefix="head_")
        self._classes = classes
        self._scale = scale
        with self.name_scope():
            self.weight = self.params.get(
                "weight", shape=(classes, embedding_size), init=mx.init.Normal(WEIGHT_DEVIATION)
            )

    def cosines(self, F: Any, embedding: Any, weight: Any) -> Any:  # noqa: N803
        """Cosines (N, classes); 0 where an embedding is zero."""
        return F.FullyConnected(
            F.L2Normalization(embedding),
            F.L2Normalization(weight),
            no_bias=True,
            num_hidden=self._classes,
            flatten=False,
        )

    def with_true(self, F: Any, cosines: Any, labels: Any, true: Any) -> Any:  # noqa: N803
        """`cosines` (N, classes) with `true` (N,) in the place of each row's true class."""
        replacement = F.broadcast_like(F.expand_dims(true, 1), cosines)
        return F.where(F.one_hot(labels, self._classes), replacement, cosines)


def cross_entropy(F: Any, logits: Any, labels: Any) -> Any:  # noqa: N803
    """-log softmax of the true class, (N,)."""
    return -F.pick(F.log_softmax(logits), labels, axis=1)
