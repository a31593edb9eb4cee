"""One process's literal account of what several workers compute of photographs: each part of each batch by itself.

python joint_detection.py DATA WORKERS STEPS WEIGHTS.npz --name value …
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from joint_parts import step_on_parts

from facejobs.engines.mxnet.runtime import load_mxnet
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters
from facejobs.training.parameters import parse_options

mx = load_mxnet()

from facejobs.data.detection.detection_batches import DetectionBatch, DetectionBatches  # noqa: E402
from facejobs.data.detection.detection_split import DetectionSplit  # noqa: E402
from facejobs.data.detection.photo_augmentation import PhotoAugmentation  # noqa: E402
from facejobs.engines.mxnet.detection.engine import DetectionEngine  # noqa: E402
from facejobs.engines.mxnet.detection.mining import mine  # noqa: E402
from facejobs.training.loop import total_steps  # noqa: E402
from facejobs.training.schedules import Schedule  # noqa: E402

STRENGTHS = ("brightness", "contrast", "colour", "crop_scales", "mirror", "smallest_face")


def loss_of_part(engine: DetectionEngine, batch: DetectionBatch, part: np.ndarray) -> Any:
    """The sum of the losses of some images of a batch, to be called while gradients are recorded."""
    images = mx.nd.array(np.ascontiguousarray(batch.images[part].transpose(0, 3, 1, 2)), dtype="uint8")
    jitter = [mx.nd.array(array[part][:, :, None, None]) for array in (batch.gain, batch.bias)]
    logits, boxes, landmarks = engine._training_net(images, *jitter)
    with mx.autograd.pause():
        counted = mine(logits.asnumpy(), batch.labels[part], engine._parameters.negative_ratio)
    targets = [
        mx.nd.array(array[part])
        for array in (batch.labels, batch.box_targets, batch.landmark_targets, batch.landmark_mask)
    ]
    labels, box_targets, landmark_targets, mask = targets
    sums = engine._loss(logits, mx.nd.array(counted), labels, boxes, box_targets, landmarks, landmark_targets, mask)
    return sums[0]


def main(data: Path, workers: int, steps: int, output: Path, options: list[str]) -> None:
    parameters = DetectionParameters.from_texts(parse_options(options))
    split = DetectionSplit.open(data / "train")
    engine = DetectionEngine(parameters)
    augmentation = PhotoAugmentation(**{name: getattr(parameters, name) for name in STRENGTHS})
    arguments = (split, parameters.batch_size, parameters.seed, augmentation, LAYOUT, parameters.image_sizes, 1)
    with DetectionBatches(*arguments) as batches:
        schedule = Schedule(parameters, total_steps(parameters, batches.steps_per_epoch))
        for step, batch in zip(range(steps), batches.start(0), strict=False):
            parts = np.split(np.arange(parameters.batch_size), workers)
            step_on_parts(engine, parts, partial(loss_of_part, engine, batch))
            engine._scale = 1 / max(1, int((batch.labels == 1).sum()))
            norm, clip = engine._global_norm(), parameters.gradient_clip
            shrink = clip / norm if clip and norm > clip else 1.0
            engine._optimizer.update(step, schedule.rate(step), shrink * engine._scale)
    np.savez(output, **engine.state())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
