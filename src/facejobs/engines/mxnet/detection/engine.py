"""Detection training on MXNet: net, loss and optimiser behind the engine protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from numpy.typing import NDArray

from facejobs.data.detection.detection_batches import DetectionBatch
from facejobs.data.detection.prediction import RawPredictions
from facejobs.data.normalization import PIXEL_MEAN, PIXEL_SCALE
from facejobs.engines.mxnet.batch_norm import fuse_rectifiers
from facejobs.engines.mxnet.detection.detectors import build_detector_net
from facejobs.engines.mxnet.detection.loss import DetectionLoss
from facejobs.engines.mxnet.detection.mining import mine
from facejobs.engines.mxnet.detection.onnx_export import check_detector_parity, export_detector
from facejobs.engines.mxnet.training_engine import TrainingEngine
from facejobs.training.detection_parameters import DetectionParameters
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.engine import StepOutcome

_SMALLEST_IMAGE = 32


class PixelNet(nn.HybridBlock):
    """From uint8 images to a net's outputs: normalise, jitter, predict."""

    def __init__(self, net: nn.HybridBlock) -> None:
        super().__init__(prefix="")
        self.net = net

    def hybrid_forward(self, F: Any, images: Any, gain: Any, bias: Any) -> Any:  # noqa: N803
        """images (N, 3, H, W) uint8, gain, bias (N, 3, 1, 1) -> the outputs of the net.

        A pixel p is fed as (p - 127.5) / 128 * gain + bias.
        """
        scale = gain * PIXEL_SCALE
        pixels = F.broadcast_mul(F.cast(images, "float32"), scale)
        return self.net(F.broadcast_add(pixels, bias - PIXEL_MEAN * scale))


class DetectionEngine(TrainingEngine):
    """Implements facejobs.training.engine.Engine for detection on one or more MXNet devices."""

    def __init__(
        self,
        parameters: DetectionParameters,
        devices: list[mx.Context] | None = None,
        group: WorkerGroup | None = None,
    ) -> None:
        """Build the net with weights drawn from the seed; raises DeviceError, and ParameterError for `--init`.

        In a `group` of several workers every step is joint: `step` gets each worker's part of the batch.
        """
        super().__init__(parameters, devices, group)
        self.net = build_detector_net(parameters.detector, parameters.backbone, devices=len(self._devices))
        if [device.device_type for device in self._devices] == ["cpu"]:
            fuse_rectifiers(self.net)
        self._ratio = parameters.negative_ratio
        weights = parameters.class_weight, parameters.box_weight, parameters.landmark_weight
        self._loss = DetectionLoss(*weights)
        self._loss.hybridize(static_alloc=True, static_shape=True)
        self._terms = ["class_loss", "box_loss", "landmark_loss"][: 3 if self.net.has_landmarks else 2]
        # The loss, its terms, and the number of positives.
        self._prepare(PixelNet(self.net), {"net": self.net}, _SMALLEST_IMAGE, measures=len(self._terms) + 2)

    def step(self, batch: DetectionBatch, step: int, lr: float, progress: float) -> StepOutcome:  # noqa: ARG002
        """One update; see Engine.step. Losses are divided by the number of positives of the joint batch, or by 1."""
        self._seed_step(step)
        parts = list(self._parts(len(batch.images)))
        # On every device before any forward pass: joint batch norms wait for each other inside the pass.
        inputs = [self._inputs(batch, device, part) for device, part in parts]
        with mx.autograd.record():
            outputs = [self._training_net(*arguments) for arguments in inputs]
        targets = [
            self._targets(batch, device, part, logits)
            for (device, part), (logits, *_) in zip(parts, outputs, strict=True)
        ]
        with mx.autograd.record():
            losses = [self._loss(*self._arguments(*pair)) for pair in zip(outputs, targets, strict=True)]
        measures = [[of_device[number] for of_device in losses] for number in range(len(self._terms) + 1)]
        measures.append([labels == 1 for _, labels, *_ in targets])
        *sums, positives = self._backward(measures[0], measures)
        self._scale = 1.0 / max(1.0, positives)
        loss, *terms = (value * self._scale for value in sums)
        norm = self._update(step, lr, loss)
        return StepOutcome(loss, norm, dict(zip(self._terms, terms, strict=True)) | {"positives": positives})

    def _inputs(self, batch: DetectionBatch, device: mx.Context, part: slice) -> list[Any]:
        return [
            _planes(batch.images[part], device),
            mx.nd.array(batch.gain[part, :, None, None], ctx=device),
            mx.nd.array(batch.bias[part, :, None, None], ctx=device),
        ]

    def _targets(self, batch: DetectionBatch, device: mx.Context, part: slice, logits: Any) -> list[Any]:
        labels = batch.labels[part]
        arrays = [mine(logits.asnumpy(), labels, self._ratio), labels, batch.box_targets[part]]
        if self.net.has_landmarks:
            arrays += [batch.landmark_targets[part], batch.landmark_mask[part]]
        return [mx.nd.array(array, ctx=device) for array in arrays]

    @staticmethod
    def _arguments(outputs: list[Any], targets: list[Any]) -> Iterator[Any]:
        """In the order of DetectionLoss."""
        logits, boxes, *landmarks = outputs
        counted, labels, box_targets, *landmark_targets = targets
        yield from (logits, counted, labels, boxes, box_targets, *landmarks, *landmark_targets)

    def forward(self, images: NDArray[np.uint8]) -> RawPredictions:
        """What the net says of uint8 RGB images (n, H, W, 3), H and W multiples of 32."""
        pixels = _planes(images, self._devices[0]).astype("float32")
        logits, boxes, *landmarks = self.net((pixels - PIXEL_MEAN) * PIXEL_SCALE)
        scores = mx.nd.sigmoid(logits).asnumpy()
        return RawPredictions(scores, boxes.asnumpy(), landmarks[0].asnumpy() if landmarks else None)

    def export(self, folder: Path) -> None:
        """Write model.onnx, proven equal to this net, and weights.npz into `folder`; raises ExportError."""
        export_detector(self.net, folder / "model.onnx")
        check_detector_parity(self.net, folder / "model.onnx")
        self._write_weights(folder)


def _planes(images: NDArray[np.uint8], device: mx.Context) -> Any:
    """(N, H, W, 3) -> (N, 3, H, W) on the device; MXNet takes thirty times as long to transpose bytes."""
    return mx.nd.array(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), ctx=device, dtype="uint8")
