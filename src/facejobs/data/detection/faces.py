"""Faces in photographs: what a label file says of them, and what a detector says.

Coordinates are pixels of the upright photograph, after its EXIF orientation; a pixel's left or top edge has its number,
so that a box `x y w h` of a label file is (x, y, x + w, y + h). Landmarks: left eye, right eye, nose, left and right
mouth corner, left and right as seen in the image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LANDMARKS = 5


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """One photograph of a label file and its N faces.

    `path` is relative to the folder of images, `line` the number of its header in the label file. `boxes` (N, 4) are
    x1, y1, x2, y2. `landmarks` (N, 5, 2) are NaN where they are not known. `blur` (N,) is 0 to 1, NaN where not known.
    `ignored` (N,) marks faces that count neither as found nor as missed. `attributes` (N, 6) are those of WIDER FACE as
    its file has them: blur, expression, illumination, invalid, occlusion, pose; None from files of another dialect.
    """

    path: str
    line: int
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    blur: NDArray[np.float32]
    ignored: NDArray[np.bool_]
    attributes: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one photograph, the highest score first.

    `boxes` (N, 4) are x1, y1, x2, y2; `scores` (N,); `landmarks` (N, 5, 2), None from a detector that gives none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.boxes)
