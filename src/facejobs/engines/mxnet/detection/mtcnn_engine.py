"""MTCNN's nets trained one after the other, each on what the one before takes for faces."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from numpy.typing import NDArray

from facejobs.data.detection.cascade import WINDOWS, CascadeSettings, propose, refine
from facejobs.data.detection.detection_batches import DetectionBatch
from facejobs.data.detection.mtcnn_samples import (
    BACKGROUND,
    FACE,
    PART,
    PER_PHOTOGRAPH,
    WindowSamples,
    draw_windows,
    faces_of,
    join,
    sample,
)
from facejobs.data.detection.prediction import Forward, RawPredictions
from facejobs.data.epoch_order import random_stream
from facejobs.data.normalization import PIXEL_MEAN, PIXEL_SCALE
from facejobs.engines.mxnet.detection.mtcnn import STAGES, StageLoss, StageNet
from facejobs.engines.mxnet.detection.onnx_export import check_detector_parity, export_detector
from facejobs.engines.mxnet.initialization import use_he_normal
from facejobs.engines.mxnet.optimizer import Optimizer
from facejobs.engines.mxnet.training_engine import TrainingEngine
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters
from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.engine import StepOutcome

# Of class, box and landmark losses; P- and R-Net, then O-Net.
_TASK_WEIGHTS = ((1.0, 0.5, 0.5), (1.0, 0.5, 0.5), (1.0, 0.5, 1.0))
_HARD_SHARE = 0.7
_TASKS = ("class_loss", "box_loss", "landmark_loss")
# What R- and O-Net are to learn from includes what the nets before them are not sure of.
_PROPOSING = CascadeSettings(proposal_threshold=0.4, refinement_threshold=0.3, most_candidates=200)
_LARGEST_WINDOW = 64
_AT_ONCE = 256
_WINDOW_STREAM = 2


class StageNets(nn.HybridBlock):
    """The three nets, P-Net first."""

    def __init__(self) -> None:
        super().__init__(prefix="")
        self.stages = nn.HybridSequential(prefix="")
        for stage in STAGES:
            self.stages.add(StageNet(stage))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803, ARG002
        return [output for net in self.stages for output in net(x)]


class MtcnnEngine(TrainingEngine):
    """Implements facejobs.training.engine.Engine for MTCNN on one or more MXNet devices.

    P-Net learns in the first third of a run, R-Net in the second, O-Net in the last; the others stay as they are.
    """

    def __init__(
        self,
        parameters: DetectionParameters,
        devices: list[mx.Context] | None = None,
        group: WorkerGroup | None = None,
    ) -> None:
        """Build the nets with weights drawn from the seed; raises DeviceError, and ParameterError for `--init`."""
        super().__init__(parameters, devices, group)
        self.net = StageNets()
        use_he_normal(self.net)
        self._loss = StageLoss()
        self._loss.hybridize()
        self._prepare(self.net, {"net": self.net}, _LARGEST_WINDOW, measures=len(_TASKS))
        # Images come in many sizes, for each of which static memory would be laid out anew.
        self.net.hybridize()
        self._stages = [self._stage(number) for number in range(len(STAGES))]

    def _stage(self, number: int) -> "_Stage":
        parameters = self._parameters
        self._trained = {n: p for n, p in self._named.items() if n.startswith(f"net/stages.{number}.")}
        optimizer = Optimizer(self._trained, parameters.optimizer, parameters.momentum, parameters.weight_decay)
        return _Stage(self._trained, optimizer, self._gradient_store() if self._exchange is None else None)

    @property
    def nets(self) -> tuple[Forward, Forward, Forward]:
        """P-, R- and O-Net as `detect_cascade` takes them."""
        proposal, refinement, output = (partial(self._forward, number) for number in range(len(STAGES)))
        return proposal, refinement, output

    def step(self, batch: DetectionBatch, step: int, lr: float, progress: float) -> StepOutcome:
        """One update of the net whose turn it is; see Engine.step. Losses are means over the windows that count."""
        number = min(int(progress * len(STAGES)), len(STAGES) - 1)
        stage = self._stages[number]
        self._trained, self._optimizer, self._store = stage.trained, stage.optimizer, stage.store
        samples = self._samples(batch, step, number)
        pixels = _planes(samples.images) * np.repeat(batch.gain, PER_PHOTOGRAPH, 0)[:, :, None, None]
        pixels += np.repeat(batch.bias, PER_PHOTOGRAPH, 0)[:, :, None, None]
        parts = list(self._parts(len(pixels)))
        with mx.autograd.record():
            outputs = [self.net.stages[number](mx.nd.array(pixels[part], ctx=device)) for device, part in parts]
        logits = np.concatenate([logits.asnumpy()[:, 0] for logits, *_ in outputs])
        workers = 1 if self._group is None else self._group.size
        weights = weigh(logits, samples) * np.array(_TASK_WEIGHTS[number], np.float32) / workers
        targets = [(samples.kinds == FACE).astype(np.float32), samples.boxes, samples.landmarks, weights]
        with mx.autograd.record():
            losses = [
                self._loss(*output, *(mx.nd.array(target[part], ctx=device) for target in targets))
                for output, (device, part) in zip(outputs, parts, strict=True)
            ]
            sums = [class_loss + box_loss + landmark_loss for class_loss, box_loss, landmark_loss in losses]
        terms = self._backward(sums, [[of_device[task] for of_device in losses] for task in range(len(_TASKS))])
        loss = sum(terms)
        norm = self._update(_updates_before(number, step, progress), lr, loss)
        return StepOutcome(loss, norm, dict(zip(_TASKS, terms, strict=True)) | {"stage": float(number)})

    def _samples(self, batch: DetectionBatch, step: int, number: int) -> WindowSamples:
        """The windows of every photograph of a batch: drawn ones, and what the nets before this one propose."""
        random = random_stream(self._parameters.seed, _WINDOW_STREAM + self._rank, step)
        proposals = propose(self.nets[0], batch.images, _PROPOSING) if number > 0 else []
        if number > 1:
            pairs = zip(batch.images, proposals, strict=True)
            proposals = [refine(self.nets[1], image, boxes, _PROPOSING) for image, boxes in pairs]
        samples = []
        for index, image in enumerate(batch.images):
            faces = faces_of(batch, index, LAYOUT)
            windows = np.concatenate([draw_windows(len(image), faces, random), *proposals[index : index + 1]])
            samples.append(sample(image, faces, windows, WINDOWS[number], random))
        return join(samples)

    def _forward(self, number: int, images: NDArray[np.uint8]) -> RawPredictions:
        """What one net says of uint8 RGB images (n, H, W, 3)."""
        parts = []
        for first in range(0, len(images), _AT_ONCE):
            pixels = mx.nd.array(_planes(images[first : first + _AT_ONCE]), ctx=self._devices[0])
            logits, boxes, landmarks = self.net.stages[number](pixels)
            parts.append((mx.nd.sigmoid(logits).asnumpy(), boxes.asnumpy(), landmarks.asnumpy()))
        scores, boxes, landmarks = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return RawPredictions(scores, boxes, landmarks)

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights and the optimiser states of all three nets by name."""
        states = [stage.optimizer.state() for stage in self._stages]
        return super().state() | {f"optimizer/{name}": array for state in states for name, array in state.items()}

    def load_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from `state()`; raises CheckpointError where names or shapes differ."""
        super().load_state(arrays)
        state = {n.removeprefix("optimizer/"): a for n, a in arrays.items() if n.startswith("optimizer/")}
        for stage in self._stages:
            stage.optimizer.load_state(state)

    def export(self, folder: Path) -> None:
        """Write a graph for each net, `p-net.onnx` …, proven equal to it, and weights.npz; raises ExportError."""
        for net, stage, window in zip(self.net.stages, STAGES, WINDOWS, strict=True):
            path = folder / f"{stage}.onnx"
            export_detector(net, path)
            check_detector_parity(net, path, shapes=((1, window, window), (5, window, window), (2, 96, 64)))
        self._write_weights(folder)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What one net is trained with."""

    trained: dict[str, Any]
    optimizer: Optimizer
    store: Any


def _updates_before(number: int, step: int, progress: float) -> int:
    """How many updates net `number` had when the run is at `step`, a share `progress` of it; Adam corrects by them."""
    return round(step * (1 - number / len(STAGES) / progress)) if number else step


def weigh(logits: NDArray[np.float32], samples: WindowSamples) -> NDArray[np.float32]:
    """Return what each of N windows counts for the classes, the boxes and the landmarks: (N, 3), columns of sum 1 or 0.

    Classes are learnt from the 70 % of the faces and backgrounds that the net, `logits` (N,), is most wrong about.
    """
    weights = np.zeros((len(logits), 3), np.float32)
    classed = np.flatnonzero((samples.kinds == FACE) | (samples.kinds == BACKGROUND))
    # The cross entropy rises with the logit of a background, and falls with that of a face.
    wrong = np.where(samples.kinds[classed] == FACE, -logits[classed], logits[classed])
    kept = max(1, round(_HARD_SHARE * len(classed)))
    weights[classed[np.argsort(-wrong, kind="stable")[:kept]], 0] = 1
    weights[(samples.kinds == FACE) | (samples.kinds == PART), 1] = 1
    weights[samples.landmarks_known, 2] = 1
    weights /= np.maximum(weights.sum(axis=0), 1)
    return weights


def _planes(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, H, W, 3) -> (N, 3, H, W), normalised."""
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32)
    return (planes - np.float32(PIXEL_MEAN)) * np.float32(PIXEL_SCALE)
