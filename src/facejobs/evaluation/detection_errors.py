"""The photographs in which a detector is most wrong, as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.face_drawing import FOUND, draw_box, draw_labels
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.photographs import read_photograph
from facejobs.evaluation.detection import DetectionResult
from facejobs.evaluation.face_matching import Flags

MISSES = "misses"
FALSE_ALARMS = "false-alarms"
_MISSED = (255, 60, 60)
_FALSE_ALARM = (255, 190, 40)
_THIN_LINES_STAY_COLOURED = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


@dataclass(frozen=True, slots=True)
class DetectionErrors:
    """Hits, misses and false alarms where detections are taken from the score `threshold` on.

    `hits` and `false_alarms` (D,) are of the result's matched detections, `misses` (F,) of its faces.
    """

    threshold: float
    hits: Flags
    false_alarms: Flags
    misses: Flags

    @classmethod
    def of(cls, result: DetectionResult) -> "DetectionErrors":
        """The errors at the threshold whose F1 for faces from 20 px is best; all detections where nothing is found."""
        matched, counted = result.matched, result.counted
        best = None if result.headline is None else result.headline.curve.best_f1()
        threshold = -np.inf if best is None else best.threshold
        taken = matched.scores >= threshold
        hits = matched.hits(counted) & taken
        misses = counted.copy()
        misses[matched.face[hits]] = False
        return cls(threshold, hits, matched.false_alarms(counted) & taken, misses)


def draw_worst(
    folder: Path, split: DetectionSplit, detections: Sequence[Detections], result: DetectionResult, most: int
) -> int:
    """Draw `most` photographs with the largest misses, and with the highest false alarms, into folders in `folder`.

    Green is what was found, with its score, red a missed face, with its height, and yellow a false alarm. Returns how
    many pictures there are. Raises DataError where a photograph cannot be read, OSError.
    """
    errors = DetectionErrors.of(result)
    boxes = np.concatenate([image.boxes for image in split.images])
    missed = np.flatnonzero(errors.misses)
    largest_first = missed[np.argsort(boxes[missed, 1] - boxes[missed, 3], kind="stable")]
    worst = {
        MISSES: result.matched.image_of_face[largest_first],
        FALSE_ALARMS: result.matched.image[errors.false_alarms],
    }
    drawn = 0
    for kind, images in worst.items():
        chosen = list(dict.fromkeys(images.tolist()))[:most]
        for rank, number in enumerate(chosen, 1):
            image = split.images[number]
            picture = _draw(read_photograph(split.path_of(image)), number, detections[number], boxes, result, errors)
            name = image.path.replace("/", "_")
            target = folder / kind / f"{rank:0{len(str(len(chosen)))}}-{Path(name).stem}.jpg"
            target.parent.mkdir(exist_ok=True)
            _, encoded = cv2.imencode(".jpg", picture[..., ::-1], _THIN_LINES_STAY_COLOURED)
            target.write_bytes(encoded.data)
        drawn += len(chosen)
    return drawn


def _draw(
    photograph: NDArray[np.uint8],
    number: int,
    found: Detections,
    faces: NDArray[np.float32],
    result: DetectionResult,
    errors: DetectionErrors,
) -> NDArray[np.uint8]:
    matched = result.matched
    canvas = photograph.copy()
    missed = faces[errors.misses & (matched.image_of_face == number)]
    marks = [(missed, [f"{box[3] - box[1]:.0f} px" for box in missed], _MISSED)]
    for which, colour in ((errors.false_alarms, _FALSE_ALARM), (errors.hits, FOUND)):
        chosen = matched.index[which & (matched.image == number)]
        marks.append((found.boxes[chosen], [f"{score:.2f}" for score in found.scores[chosen]], colour))
    for boxes, _, colour in reversed(marks):
        for box in boxes:
            draw_box(canvas, box, colour)
    for boxes, texts, colour in marks:
        draw_labels(canvas, boxes, texts, colour)
    return canvas
