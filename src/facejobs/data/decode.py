"""Encoded photographs to RGB arrays.

JPEG goes through libjpeg-turbo's accurate integer transform and smooth chroma upsampling, straight into the memory
it is wanted in and with the GIL released; everything else (PNG, BMP, WebP, …) goes through OpenCV. A damaged JPEG is an
error even where a decoder could paint over the damage with grey. Pixels come as they are stored: an EXIF orientation
is not applied.
"""

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from facejobs.data.errors import DataError

ImageArray = npt.NDArray[np.uint8]
EncodedImage = bytes | memoryview

MAX_PIXELS = 1 << 27
_JPEG_START = b"\xff\xd8"
_decode_jpeg = simplejpeg.decode_jpeg


def decode(encoded: EncodedImage, reduction: int = 1) -> ImageArray:
    """Return the photograph as uint8 (H, W, 3) RGB; DataError if the bytes are no readable image.

    With a `reduction` r of 2, 4 or 8, a JPEG gives (ceil(H / r), ceil(W / r), 3): each pixel stands for r x r.
    """
    if encoded[:2] != _JPEG_START:
        return _decode_other(encoded)
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(encoded)
        if height * width > MAX_PIXELS:
            raise DataError(f"a JPEG image of {width} x {height} pixels is too large to decode")
        least = -(-height // reduction), -(-width // reduction)
        image: ImageArray = _decode_jpeg(encoded, "RGB", min_height=least[0], min_width=least[1])
    except ValueError as error:
        raise _damaged(error) from None
    return image


def decode_into(encoded: EncodedImage, destination: ImageArray) -> None:
    """Decode into `destination`, a C-contiguous uint8 (H, W, 3) array that becomes RGB.

    Raises DataError if the bytes are no readable image, or one of another height or width than `destination`, whose
    contents are undefined then.
    """
    try:
        shape = _decode_jpeg(encoded, "RGB", buffer=destination).shape
    except ValueError as error:
        if encoded[:2] == _JPEG_START:
            raise _damaged(error, encoded, destination) from None
        image = _decode_other(encoded)
        shape = image.shape
        if shape == destination.shape:
            destination[:] = image
    if shape != destination.shape:
        raise _wrong_size(shape, destination)


def _decode_other(encoded: EncodedImage) -> ImageArray:
    if len(encoded) == 0:
        raise DataError("the image is empty (0 bytes)")
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DataError(f"not a readable image: {error.err}") from None
    if image is None:
        raise DataError(f"not an image of a kind that can be read (it starts with bytes {bytes(encoded[:4]).hex(' ')})")
    rgb: ImageArray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image)
    return rgb


def _damaged(error: ValueError, encoded: EncodedImage = b"", destination: ImageArray | None = None) -> DataError:
    """Say why the decoder refused; a buffer too small for the image is an image of the wrong size."""
    if destination is not None:
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(encoded)
        except ValueError:
            pass
        else:
            if (height, width) != destination.shape[:2]:
                return _wrong_size((height, width), destination)
    return DataError(f"a damaged JPEG image: {error}")


def _wrong_size(shape: tuple[int, ...], destination: ImageArray) -> DataError:
    height, width = destination.shape[:2]
    return DataError(f"an image of {shape[1]} x {shape[0]} pixels where {width} x {height} are expected")
