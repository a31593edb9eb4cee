"""Recognition training on MXNet: embedding net, classification head and optimiser behind the engine protocol."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from numpy.typing import NDArray

from facejobs.data.normalization import IMAGE_SIZE, PIXEL_MEAN, PIXEL_SCALE
from facejobs.data.pipeline import Batch
from facejobs.engines.mxnet.embedding import build_embedding_net
from facejobs.engines.mxnet.losses.registry import build_head, default_margin
from facejobs.engines.mxnet.onnx_export import check_parity, export_onnx
from facejobs.engines.mxnet.training_engine import TrainingEngine
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.engine import StepOutcome
from facejobs.training.recognition_parameters import RecognitionParameters

_EMBED_BATCH = 64


class TrainingNet(nn.HybridBlock):
    """From uint8 images to the loss of each: normalise, jitter, embed, classify."""

    def __init__(self, net: nn.HybridBlock, head: nn.HybridBlock) -> None:
        super().__init__(prefix="")
        self.net = net
        self.head = head

    def hybrid_forward(
        self,
        F: Any,  # noqa: N803
        images: Any,
        gain: Any,
        bias: Any,
        labels: Any,
        margin: Any,
    ) -> Any:
        """images (N, H, W, 3) uint8, gain, bias (N, 1, 1, 3), labels (N,), margin (1,) -> losses and hits (N,)."""
        pixels = (F.cast(images, "float32") - PIXEL_MEAN) * PIXEL_SCALE
        pixels = F.broadcast_add(F.broadcast_mul(pixels, gain), bias)
        embedding = self.net(F.transpose(pixels, (0, 3, 1, 2)))
        loss, logits = self.head(embedding, labels, margin)
        return loss, F.BlockGrad(F.argmax(logits, axis=1) == labels)


class RecognitionEngine(TrainingEngine):
    """Implements facejobs.training.engine.Engine for recognition on one or more MXNet devices."""

    def __init__(
        self,
        parameters: RecognitionParameters,
        num_classes: int,
        devices: list[mx.Context] | None = None,
        group: WorkerGroup | None = None,
    ) -> None:
        """Build net and head with weights drawn from the seed; raises DeviceError, and ParameterError for `--init`.

        In a `group` of several workers every step is joint: `step` gets each worker's part of the batch.
        """
        super().__init__(parameters, devices, group)
        self.net = build_embedding_net(parameters.backbone, parameters.embedding_size, devices=len(self._devices))
        head = build_head(parameters.loss, num_classes, parameters.embedding_size, scale=parameters.scale)
        margin = default_margin(parameters.loss) if parameters.margin is None else parameters.margin
        self._margin = margin
        self._margin_ramp = parameters.margin_ramp
        self._prepare(TrainingNet(self.net, head), {"net": self.net, "head": head}, IMAGE_SIZE, measures=2)
        self._scale = 1.0 / parameters.batch_size

    def step(self, batch: Batch, step: int, lr: float, progress: float) -> StepOutcome:
        """One update; see Engine.step. Dropout is drawn from (seed, step), so a resumed run draws the same."""
        self._seed_step(step)
        margin = self._margin_at(progress)
        losses, hits = [], []
        # On every device before any forward pass: joint batch norms wait for each other inside the pass.
        shards = list(self._shards(batch, margin))
        with mx.autograd.record():
            for shard in shards:
                loss, hit = self._training_net(*shard)
                losses.append(loss)
                hits.append(hit)
        loss_sum, hit_sum = self._backward(losses, [losses, hits])
        mean_loss, accuracy = loss_sum * self._scale, hit_sum * self._scale
        norm = self._update(step, lr, mean_loss)
        return StepOutcome(mean_loss, norm, {"accuracy": accuracy, "margin": margin})

    def _margin_at(self, progress: float) -> float:
        return self._margin * (min(1.0, progress / self._margin_ramp) if self._margin_ramp else 1.0)

    def _shards(self, batch: Batch, margin: float) -> Iterable[list[Any]]:
        for device, part in self._parts(len(batch.labels)):
            yield [
                mx.nd.array(batch.images[part], ctx=device, dtype="uint8"),
                mx.nd.array(batch.gain[part, None, None, :], ctx=device),
                mx.nd.array(batch.bias[part, None, None, :], ctx=device),
                mx.nd.array(batch.labels[part], ctx=device, dtype="float32"),
                mx.nd.array([margin], ctx=device),
            ]

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings (N, E) float32, not normalised, of uint8 RGB images (N, H, W, 3)."""
        parts = []
        for first in range(0, len(images), _EMBED_BATCH):
            chunk = images[first : first + _EMBED_BATCH]
            padded = np.zeros((_EMBED_BATCH, *images.shape[1:]), np.uint8)
            padded[: len(chunk)] = chunk
            pixels = mx.nd.array(padded, ctx=self._devices[0], dtype="uint8").astype("float32")
            pixels = ((pixels - PIXEL_MEAN) * PIXEL_SCALE).transpose((0, 3, 1, 2))
            parts.append(self.net(pixels).asnumpy()[: len(chunk)])
        return np.concatenate(parts)

    def export(self, folder: Path) -> None:
        """Write model.onnx, proven equal to this net, and weights.npz into `folder`; raises ExportError."""
        export_onnx(self.net, folder / "model.onnx")
        check_parity(self.net, folder / "model.onnx")
        self._write_weights(folder)
