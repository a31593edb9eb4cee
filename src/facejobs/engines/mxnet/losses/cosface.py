"""CosFace (Wang et al., 2018, arXiv:1801.09414): s * (cos - m) for the true class."""

from typing import Any

from facejobs.engines.mxnet.losses.margin import CosineHead, cross_entropy


class CosFace(CosineHead):
    """logits = s * (c - m) for the true class, s * c for the others."""

    def hybrid_forward(self, F: Any, embedding: Any, labels: Any, margin: Any, weight: Any) -> Any:  # noqa: N803
        """Embeddings (N, E), labels (N,), margin (1,) -> losses (N,), cosines (N, classes)."""
        cosines = self.cosines(F, embedding, weight)
        penalised = F.broadcast_sub(F.pick(cosines, labels, axis=1), margin)
        return cross_entropy(F, self.with_true(F, cosines, labels, penalised) * self._scale, labels), cosines
