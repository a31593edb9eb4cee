"""Pictures of what a detector found, in new files only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.face_drawing import draw_detections
from facejobs.data.detection.faces import Detections
from facejobs.data.detection.photograph_files import PHOTOGRAPH_SUFFIXES
from facejobs.data.errors import OutputExistsError
from facejobs.data.fresh_output import fresh_directory
from facejobs.storage.whole_file import whole_file, write_all

_DEFAULT_SUFFIX = ".jpg"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Draws photographs into `folder`, under their paths relative to `root`; or one into the file `single`."""

    folder: Path
    root: Path
    single: Path | None = None

    def add(self, path: Path, image: NDArray[np.uint8], found: Detections) -> None:
        """Draw the faces found in the photograph `path`, whose pixels are `image` (H, W, 3) RGB. Raises OSError."""
        name = path.relative_to(self.root)
        if path.suffix.lower() not in PHOTOGRAPH_SUFFIXES:
            name = name.with_name(name.name + _DEFAULT_SUFFIX)
        target = self.single or self.folder / name
        _, encoded = cv2.imencode(target.suffix.lower(), draw_detections(image, found)[..., ::-1])
        with whole_file(target) as descriptor:
            write_all(descriptor, encoded.data, 0)


@contextmanager
def pictures_in(target: Path, photographs: Path) -> Iterator[Pictures]:
    """Yield what draws pictures of `photographs`, a file or a folder, into the new folder `target`.

    A folder appears when the block ends without an exception. For a file, `target` may also be the picture itself, if
    it ends as a picture does. Raises OutputExistsError where `target` is there already, before anything is drawn.
    """
    root = photographs if photographs.is_dir() else photographs.parent
    if root != photographs and target.suffix.lower() in PHOTOGRAPH_SUFFIXES:
        if os.path.lexists(target):
            raise OutputExistsError(f"{target}: exists already and is left as it is; name a new file or remove it")
        yield Pictures(target.parent, root, target)
    else:
        with fresh_directory(target) as folder:
            yield Pictures(folder, root)
