"""Photographs with the names of the people in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facejobs.data.detection.face_drawing import FOUND, Colour, draw_box, draw_landmarks, free_place, text_height
from facejobs.data.detection.photograph_files import PHOTOGRAPH_SUFFIXES
from facejobs.data.detection.photographs import read_photograph
from facejobs.gallery.decision import RecognisedPerson
from facejobs.inference.face_pipeline import DescribedPhotograph
from facejobs.storage.whole_file import whole_file, write_all

_STRANGER: Colour = (255, 170, 60)
_DARK: Colour = (0, 0, 0)
_LONGEST_NAMES = (24, 14, 8)


@dataclass(frozen=True, slots=True)
class RecognitionPictures:
    """Draws photographs into `folder`, under their paths relative to `root`."""

    folder: Path
    root: Path

    def add(self, path: Path, photograph: DescribedPhotograph, people: list[RecognisedPerson]) -> None:
        """Draw who was recognised in the photograph `path`, which is read again. Raises OSError, DataError."""
        name = path.relative_to(self.root)
        if path.suffix.lower() not in PHOTOGRAPH_SUFFIXES:
            name = name.with_name(f"{name.name}.jpg")
        drawn = draw_people(read_photograph(path), photograph, people)
        _, encoded = cv2.imencode(name.suffix.lower(), drawn[..., ::-1])
        with whole_file(self.folder / name) as descriptor:
            write_all(descriptor, encoded.data, 0)


def draw_people(
    image: NDArray[np.uint8], photograph: DescribedPhotograph, people: list[RecognisedPerson]
) -> NDArray[np.uint8]:
    """Return a copy of `image` (H, W, 3) RGB with each face's box, landmarks, name and similarity.

    People who are known and strangers have their own colours. A name that has no room is shortened, and left out
    where it would hide another face all the same.
    """
    canvas = image.copy()
    colours = [FOUND if person.recognised else _STRANGER for person in people]
    for face, colour in reversed(list(zip(photograph.faces, colours, strict=True))):
        draw_box(canvas, face.box, colour)
        draw_landmarks(canvas, face.landmarks, face.box)
    taken = [_rectangle(face.box) for face in photograph.faces]
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for box, person, colour in zip(list(taken), people, colours, strict=True):
        font = _font(text_height(canvas, box))
        for text in _captions(person):
            width, height = (int(side) for side in pen.textbbox((0, 0), text, font=font)[2:])
            pad = max(1, height // 6)
            size = (width + 2 * pad, height + 2 * pad)
            # Begins where the box begins, or ends where it ends.
            place = free_place(canvas, box, size, taken) or free_place(
                canvas, (box[2] - size[0], *box[1:]), size, taken
            )
            if place is not None:
                taken.append(place)
                pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=_DARK)
                pen.text((place[0] + pad, place[1] + pad), text, fill=colour, font=font)
                break
    return np.asarray(picture)


def _captions(person: RecognisedPerson) -> Iterator[str]:
    """What may be written beside a face, the longest first: its name, ever shorter, and the similarity."""
    # A line break in a name would make a text of two lines.
    name = "".join(character if character.isprintable() else "·" for character in person.name)
    similarity = "" if person.similarity is None else f" {person.similarity:.2f}"
    shortened = [name if len(name) <= most else f"{name[: most - 1]}…" for most in _LONGEST_NAMES]
    yield from dict.fromkeys([*(f"{text}{similarity}" for text in shortened), shortened[-1]])


def _rectangle(box: NDArray[np.float32]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(float(side)) for side in box)
    return left, top, right, bottom


@lru_cache(maxsize=64)
def _font(height: int) -> ImageFont.FreeTypeFont:
    # The font that matplotlib brings has Latin, Greek, Cyrillic, Arabic and Hebrew letters; OpenCV's has ASCII only.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), round(height * 1.2))
