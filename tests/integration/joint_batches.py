"""One process's literal account of what several workers compute: each part of each batch by itself, then their sum.

python joint_batches.py DATA WORKERS STEPS WEIGHTS.npz --name value …
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from joint_parts import step_on_parts

from facejobs.engines.mxnet.runtime import load_mxnet
from facejobs.training.parameters import parse_options
from facejobs.training.recognition_parameters import RecognitionParameters

mx = load_mxnet()

from facejobs.data.face_records import FaceRecordFile  # noqa: E402
from facejobs.data.pipeline import Augmentation, Batch, TrainingBatches  # noqa: E402
from facejobs.engines.mxnet.recognition import RecognitionEngine  # noqa: E402
from facejobs.training.loop import total_steps  # noqa: E402
from facejobs.training.schedules import Schedule  # noqa: E402


def arguments_of_part(batch: Batch, part: np.ndarray, margin: float) -> list:
    return [
        mx.nd.array(batch.images[part], dtype="uint8"),
        mx.nd.array(batch.gain[part][:, None, None, :]),
        mx.nd.array(batch.bias[part][:, None, None, :]),
        mx.nd.array(batch.labels[part], dtype="float32"),
        mx.nd.array([margin]),
    ]


def main(data: Path, workers: int, steps: int, output: Path, options: list[str]) -> None:
    parameters = RecognitionParameters.from_texts(parse_options(options))
    records = FaceRecordFile.open(data)
    engine = RecognitionEngine(parameters, records.num_classes)
    strengths = {name: getattr(parameters, name) for name in ("mirror", "shift", "brightness", "contrast", "colour")}
    augmentation = Augmentation(**strengths)
    with TrainingBatches(records, parameters.batch_size, parameters.seed, augmentation, 1) as batches:
        total = total_steps(parameters, batches.steps_per_epoch)
        schedule = Schedule(parameters, total)
        for step, batch in zip(range(steps), batches.start(0), strict=False):
            parts = np.split(np.arange(parameters.batch_size), workers)
            margin = engine._margin_at(step / total)

            def loss_of_part(part: np.ndarray, batch: Batch = batch, margin: float = margin) -> Any:
                return engine._training_net(*arguments_of_part(batch, part, margin))[0]

            step_on_parts(engine, parts, loss_of_part)
            norm, clip = engine._global_norm(), parameters.gradient_clip
            shrink = clip / norm if clip and norm > clip else 1.0
            engine._optimizer.update(step, schedule.rate(step), shrink / parameters.batch_size)
    np.savez(output, **engine.state())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
