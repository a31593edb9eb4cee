"""Recognition training on MXNet: embedding net, classification head and optimiser behind the engine protocol."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from numpy.typing import NDArray

from facejobs.data.normalization import IMAGE_SIZE, PIXEL_MEAN, PIXEL_SCALE
from facejobs.data.pipeline import Batch
from facejobs.engines.mxnet.device import resolve_devices
from facejobs.engines.mxnet.embedding import build_embedding_net
from facejobs.engines.mxnet.exchange import Exchange
from facejobs.engines.mxnet.losses.registry import build_head, default_margin
from facejobs.engines.mxnet.onnx_export import check_parity, export_onnx
from facejobs.engines.mxnet.optimizer import Optimizer, reduce_gradients
from facejobs.engines.mxnet.weights import named_parameters, read_weights
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.engine import StepOutcome
from facejobs.training.errors import CheckpointError
from facejobs.training.recognition_parameters import RecognitionParameters

log = logging.getLogger(__name__)

_STATIC = {"static_alloc": True, "static_shape": True}
_EMBED_BATCH = 64
# Far apart, so that no worker draws in one step what another draws in some other step.
_RANK_STRIDE = 1_000_000_007


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


class RecognitionEngine:
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
        self._parameters = parameters
        self._devices = devices or resolve_devices(parameters.gpus)
        mx.random.seed(parameters.seed)
        np.random.seed(parameters.seed)
        self.net = build_embedding_net(parameters.backbone, parameters.embedding_size, devices=len(self._devices))
        head = build_head(parameters.loss, num_classes, parameters.embedding_size, scale=parameters.scale)
        margin = default_margin(parameters.loss) if parameters.margin is None else parameters.margin
        self._margin = margin
        self._training_net = TrainingNet(self.net, head)
        self._training_net.initialize(ctx=self._devices)
        self._training_net.hybridize(**_STATIC)
        self._settle_shapes()
        self._named = named_parameters({"net": self.net, "head": head})
        if parameters.init:
            self._load_initial(Path(parameters.init))
        self._trained = {n: p for n, p in self._named.items() if p.grad_req != "null"}
        self._optimizer = Optimizer(self._trained, parameters.optimizer, parameters.momentum, parameters.weight_decay)
        self._rank = 0 if group is None else group.rank
        self._exchange = Exchange(self._named, group) if group is not None and group.size > 1 else None
        self._store = self._gradient_store() if self._exchange is None else None
        self._scale = 1.0 / parameters.batch_size

    def _settle_shapes(self) -> None:
        """One predict-mode pass, so that parameters whose shape depends on the input get one."""
        for device in self._devices:
            self.net(mx.nd.zeros((1, 3, IMAGE_SIZE, IMAGE_SIZE), ctx=device)).wait_to_read()

    def _load_initial(self, path: Path) -> None:
        wanted = {n: p.shape for n, p in self._named.items() if n.startswith("net/")}
        arrays = read_weights(path, wanted)
        for name, array in arrays.items():
            self._named[name].set_data(mx.nd.array(array))
        log.info("%d of %d arrays of the net start from %s", len(arrays), len(wanted), path)

    def _gradient_store(self) -> Any:
        if len(self._devices) == 1:
            return None
        store = mx.kv.create("device" if self._devices[0].device_type == "gpu" else "local")
        for index, parameter in enumerate(self._trained.values()):
            store.init(index, parameter.list_data()[0])
        return store

    def step(self, batch: Batch, step: int, lr: float, progress: float) -> StepOutcome:
        """One update; see Engine.step. Dropout is drawn from (seed, step), so a resumed run draws the same."""
        mx.random.seed((self._parameters.seed * 1_000_003 + step + self._rank * _RANK_STRIDE) % 2**31)
        margin = self._margin_at(progress)
        losses, hits = [], []
        # On every device before any forward pass: joint batch norms wait for each other inside the pass.
        shards = list(self._shards(batch, margin))
        with mx.autograd.record():
            for shard in shards:
                loss, hit = self._training_net(*shard)
                losses.append(loss)
                hits.append(hit)
        mx.autograd.backward(losses)
        if self._store is not None:
            reduce_gradients(self._trained, self._store)
        loss_sum, hit_sum = (float(sum(part.sum().asscalar() for part in parts)) for parts in (losses, hits))
        if self._exchange is not None:
            loss_sum, hit_sum = self._exchange.join(loss_sum, hit_sum)
        norm = self._global_norm()
        mean_loss, accuracy = loss_sum * self._scale, hit_sum * self._scale
        if np.isfinite(mean_loss) and np.isfinite(norm):
            clip = self._parameters.gradient_clip
            shrink = clip / norm if clip and norm > clip else 1.0
            self._optimizer.update(step, lr, self._scale * shrink)
        return StepOutcome(mean_loss, norm, {"accuracy": accuracy, "margin": margin})

    def _margin_at(self, progress: float) -> float:
        ramp = self._parameters.margin_ramp
        return self._margin * (min(1.0, progress / ramp) if ramp else 1.0)

    def _shards(self, batch: Batch, margin: float) -> Iterable[list[Any]]:
        count = len(self._devices)
        edges = [len(batch.labels) * i // count for i in range(count + 1)]
        for device, first, end in zip(self._devices, edges, edges[1:], strict=False):
            yield [
                mx.nd.array(batch.images[first:end], ctx=device, dtype="uint8"),
                mx.nd.array(batch.gain[first:end, None, None, :], ctx=device),
                mx.nd.array(batch.bias[first:end, None, None, :], ctx=device),
                mx.nd.array(batch.labels[first:end], ctx=device, dtype="float32"),
                mx.nd.array([margin], ctx=device),
            ]

    def _global_norm(self) -> float:
        gradients = [parameter.list_grad()[0] for parameter in self._trained.values()]
        squares = mx.nd.multi_sum_sq(*gradients, num_arrays=len(gradients))
        return float(np.sqrt(squares.asnumpy().sum(dtype=np.float64))) * self._scale

    def gradient_norms(self) -> dict[str, float]:
        """Norm of each parameter's gradient in the last step."""
        return {
            name: float(parameter.list_grad()[0].norm().asscalar()) * self._scale
            for name, parameter in self._trained.items()
        }

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

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights, running statistics, head and optimiser state by name."""
        arrays = {name: parameter.list_data()[0].asnumpy() for name, parameter in self._named.items()}
        return arrays | {f"optimizer/{name}": array for name, array in self._optimizer.state().items()}

    def load_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from `state()`; raises CheckpointError where names or shapes differ."""
        mine = {name: tuple(parameter.shape) for name, parameter in self._named.items()}
        theirs = {name: array.shape for name, array in arrays.items() if not name.startswith("optimizer/")}
        if mine != theirs:
            differing = sorted(set(mine.items()) ^ set(theirs.items()))
            raise CheckpointError(f"the checkpoint is of another net: {differing[:4]}")
        for name, parameter in self._named.items():
            parameter.set_data(mx.nd.array(arrays[name]))
        state = {n.removeprefix("optimizer/"): a for n, a in arrays.items() if n.startswith("optimizer/")}
        self._optimizer.load_state(state)

    def share_state(self) -> None:
        """Take over the first worker's state; see Engine.share_state."""
        assert self._exchange is not None
        self.load_state(self._exchange.broadcast(self.state()))

    def export(self, folder: Path) -> None:
        """Write model.onnx, proven equal to this net, and weights.npz into `folder`; raises ExportError."""
        export_onnx(self.net, folder / "model.onnx")
        check_parity(self.net, folder / "model.onnx")
        weights = {n: p.list_data()[0].asnumpy() for n, p in self._named.items() if n.startswith("net/")}
        with (folder / "weights.npz").open("wb") as file:
            np.savez(file, **weights)


def software() -> dict[str, str]:
    """Versions that decide the result."""
    return {"mxnet": mx.__version__, "numpy": np.__version__}
