"""Photographs as people see them: upright, in colour, eight bits.

EXIF orientation is applied, unlike in `facejobs.data.decode`, whose decoders do the rest: grey, CMYK, palette and
16-bit images become RGB of 8 bits, and an alpha channel is dropped. A damaged file is an error, never a half picture.
"""

import io
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from facejobs.data.decode import MAX_PIXELS, decode
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

Photograph = NDArray[np.uint8]
Result = TypeVar("Result")

# What Pillow warns of is judged here: sizes by MAX_PIXELS, malformed EXIF as viewers do.
warnings.filterwarnings("ignore", module=r"PIL\.")

_MOST_BYTES = 1 << 30
_JPEG_START = b"\xff\xd8"
_ORIENTATION = 0x0112
_UPRIGHT = 1
_EXIF = b"Exif\0\0"
# EXIF is in one segment, which holds at most 64 KiB, and only others of that size may come before it.
_EXIF_WITHIN = 1 << 18
_EXIF_LONGEST = 1 << 16

# EXIF 2.32, 4.6.4 A: where row 0 and column 0 of the stored pixels lie in the scene.
_TURN: dict[int, Callable[[Photograph], Photograph]] = {
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.rotate(stored, cv2.ROTATE_180),
    4: lambda stored: cv2.flip(stored, 0),
    5: lambda stored: cv2.transpose(stored),
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: cv2.flip(cv2.transpose(stored), -1),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_SIDES_SWAPPED = frozenset({5, 6, 7, 8})


def read_photograph(path: Path) -> Photograph:
    """Return the photograph as uint8 (H, W, 3) RGB, upright; DataError, naming the file, where that cannot be."""
    return of_file(path, decode_photograph)


def open_photograph(path: Path) -> "EncodedPhotograph":
    """Read a file and its header; DataError, naming the file, where that cannot be."""
    return of_file(path, EncodedPhotograph.of)


def decode_photograph(encoded: bytes) -> Photograph:
    """Return the photograph as uint8 (H, W, 3) RGB, upright.

    Raises DataError for bytes that are no image, a damaged one, or one of more than `MAX_PIXELS`.
    """
    return EncodedPhotograph.of(encoded).decode()


@dataclass(frozen=True, slots=True)
class EncodedPhotograph:
    """A photograph of which the header alone is read: `height` and `width` are those of the upright one."""

    height: int
    width: int
    _encoded: bytes
    _orientation: int

    @classmethod
    def of(cls, encoded: bytes) -> "EncodedPhotograph":
        """Read the header; raises DataError as `decode_photograph` does."""
        height, width, orientation = _header(encoded)
        if orientation in _SIDES_SWAPPED:
            height, width = width, height
        return cls(height, width, encoded, orientation)

    def reductions(self) -> tuple[int, ...]:
        """What `decode` can reduce by, largest first: an upright JPEG has the means of its blocks at hand."""
        jpeg = self._encoded[:2] == _JPEG_START and self._orientation not in _TURN
        return (8, 4, 2, 1) if jpeg else (1,)

    def decode(self, reduction: int = 1) -> Photograph:
        """Return uint8 (ceil(height / r), ceil(width / r), 3) RGB, upright, for a `reduction` r; raises DataError.

        A pixel in column x and row y stands for columns r x to r (x + 1) and rows r y to r (y + 1) of the photograph.
        """
        stored = decode(self._encoded, reduction)
        turn = _TURN.get(self._orientation)
        return turn(stored) if turn else stored


def photograph_size(encoded: bytes) -> tuple[int, int]:
    """Return (height, width) of the upright photograph from its header, undecoded; DataError if it has none."""
    header = EncodedPhotograph.of(encoded)
    return header.height, header.width


def stored_sideways(encoded: bytes) -> bool:
    """Whether the file holds the photograph with height and width swapped, to be turned by its EXIF orientation."""
    return _header(encoded)[2] in _SIDES_SWAPPED


def of_file(path: Path, what: Callable[[bytes], Result]) -> Result:
    """Return what `what` makes of the bytes of a file; a DataError, also about a missing file, names the file.

    Only a file of at most 1 GiB is read, which no photograph of `MAX_PIXELS` exceeds, and nothing that is no file.
    """
    try:
        with reading(path):
            facts = path.stat()
            if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
                raise DataError(f"{path}: not a file")
            if facts.st_size > _MOST_BYTES:
                raise DataError(f"{path}: {facts.st_size:,} bytes long, too large for a photograph")
            encoded = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such photograph") from None
    try:
        return what(encoded)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _header(encoded: bytes) -> tuple[int, int, int]:
    """Height and width of the pixels as `decode` gives them, and what orientation is still to be applied."""
    if not encoded:
        raise DataError("the image is empty (0 bytes)")
    if encoded[:2] == _JPEG_START:
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(encoded)
        except ValueError as error:
            raise DataError(f"a damaged JPEG image: {error}") from None
        orientation = _jpeg_orientation(encoded)
    else:
        height, width, orientation = _other_header(encoded)
    if height * width > MAX_PIXELS:
        raise DataError(f"an image of {width} x {height} pixels is too large to decode")
    return height, width, orientation


def _jpeg_orientation(encoded: bytes) -> int:
    start = encoded.find(_EXIF, 0, _EXIF_WITHIN)
    if start < 0:
        return _UPRIGHT
    return _orientation(lambda exif: exif.load(encoded[start : start + _EXIF_LONGEST]))


def _orientation(load: Callable[[Image.Exif], None]) -> int:
    exif = Image.Exif()
    try:
        load(exif)
        orientation = exif.get(_ORIENTATION, _UPRIGHT)
    except Exception:
        # Malformed EXIF of any kind: viewers show such a photograph as it is stored.
        return _UPRIGHT
    return orientation if isinstance(orientation, int) else _UPRIGHT


def _other_header(encoded: bytes) -> tuple[int, int, int]:
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            width, height = image.size
            if image.format == "TIFF":
                # OpenCV turns TIFF upright by itself, whatever it is asked.
                return height, width, _UPRIGHT
            return height, width, _orientation(lambda exif: exif.update(image.getexif()))
    except UnidentifiedImageError:
        raise DataError(f"not an image (it starts with bytes {encoded[:4].hex(' ')})") from None
    except Image.DecompressionBombError:
        raise DataError("the image is too large to decode") from None
    except Exception as error:
        raise DataError(f"not a readable image: {error}") from None
