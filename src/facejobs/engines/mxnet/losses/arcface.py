"""ArcFace (Deng et al., 2019, arXiv:1801.07698): s * cos(theta + m) for the true class."""

from typing import Any

from facejobs.engines.mxnet.losses.margin import CosineHead, cross_entropy

_SMALLEST_SINE_SQUARED = 1e-7


class ArcFace(CosineHead):
    """logits = s * cos(theta + m) for the true class, s * c for the others.

    Beyond theta = pi - m, where cos(theta + m) would rise again, the true class gets c - m * sin(m). cos(theta + m) is
    written as c * cos(m) - sin(theta) * sin(m), so its gradient holds the true factor sin(theta + m) / sin(theta); the
    sine is kept from 0, where that factor has no bound.
    """

    def hybrid_forward(self, F: Any, embedding: Any, labels: Any, margin: Any, weight: Any) -> Any:  # noqa: N803
        """Embeddings (N, E), labels (N,), margin (1,) -> losses (N,), cosines (N, classes)."""
        cosines = self.cosines(F, embedding, weight)
        true = F.pick(cosines, labels, axis=1)
        sine = F.sqrt(F.maximum(1 - F.square(true), _SMALLEST_SINE_SQUARED))
        cos_m, sin_m = F.cos(margin), F.sin(margin)
        shifted = F.broadcast_mul(true, cos_m) - F.broadcast_mul(sine, sin_m)
        linear = F.broadcast_sub(true, margin * sin_m)
        penalised = F.where(F.broadcast_greater(true, -cos_m), shifted, linear)
        return cross_entropy(F, self.with_true(F, cosines, labels, penalised) * self._scale, labels), cosines
