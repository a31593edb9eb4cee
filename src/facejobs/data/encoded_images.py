"""Encoded face images held in memory and decoded when asked for."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from facejobs.data.errors import DataError

MAXIMUM_SIDE = 4096
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class EncodedImages:
    """JPEG and PNG images; item i is decoded to uint8 (H, W, 3) RGB. Safe to use from many threads.

    `names` are used in error messages. The encoded bytes stay in memory (about 5 KB a 112x112 face).
    """

    def __init__(self, encoded: Sequence[bytes], names: Sequence[str]) -> None:
        self.encoded = encoded
        self.names = names

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return decode_image(self.encoded[index], self.names[index])

    def batches(self, batch_size: int, threads: int) -> Iterator[NDArray[np.uint8]]:
        """Yield uint8 (N, H, W, 3) RGB in order, N = `batch_size` but for the last; decodes one batch ahead.

        Raises DataError for an image that cannot be decoded or whose size differs from the first one's.
        """
        starts = range(0, len(self), batch_size)
        with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
            waiting: deque[list[Future[NDArray[np.uint8]]]] = deque()
            shape: tuple[int, ...] | None = None
            for position in range(len(starts) + 1):
                if position < len(starts):
                    start = starts[position]
                    stop = min(start + batch_size, len(self))
                    waiting.append([pool.submit(self.__getitem__, index) for index in range(start, stop)])
                if position == 0:
                    continue
                images = [future.result() for future in waiting.popleft()]
                shape = shape or images[0].shape
                self._check_shapes(images, starts[position - 1], shape)
                yield np.stack(images)

    def _check_shapes(self, images: Sequence[NDArray[np.uint8]], start: int, shape: tuple[int, ...]) -> None:
        for offset, image in enumerate(images):
            if image.shape != shape:
                raise DataError(
                    f"{self.names[start + offset]} is {image.shape[1]}x{image.shape[0]} pixels, but {self.names[0]} is "
                    f"{shape[1]}x{shape[0]}: all images must be aligned to one size"
                )


def decode_image(encoded: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG to uint8 (H, W, 3) RGB.

    Raises DataError, naming the image, where it is empty, of another format, damaged, or larger than
    `MAXIMUM_SIDE` on a side (checked in the header, before memory is taken for the pixels).
    """
    if not encoded:
        raise DataError(f"{name} is empty (0 bytes)")
    if encoded[:2] == b"\xff\xd8":
        return _decode_jpeg(encoded, name)
    if encoded[:8] == _PNG_SIGNATURE:
        _check_size(int.from_bytes(encoded[20:24], "big"), int.from_bytes(encoded[16:20], "big"), name)
        return _decode_by_opencv(encoded, name)
    raise DataError(f"{name} is neither a JPEG nor a PNG image (it starts with {encoded[:4].hex(' ')})")


def _decode_jpeg(encoded: bytes, name: str) -> NDArray[np.uint8]:
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(encoded)
        _check_size(height, width, name)
        if colour_space in ("CMYK", "YCCK"):
            return _decode_by_opencv(encoded, name)
        image: NDArray[np.uint8] = simplejpeg.decode_jpeg(encoded, colorspace="RGB")
    except ValueError as error:
        raise DataError(f"{name} is a damaged JPEG image: {error}") from None
    return image


def _decode_by_opencv(encoded: bytes, name: str) -> NDArray[np.uint8]:
    try:
        bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise DataError(f"{name} is a damaged image: it cannot be decoded")
    return np.ascontiguousarray(bgr[:, :, ::-1])


def _check_size(height: int, width: int, name: str) -> None:
    if not (0 < height <= MAXIMUM_SIDE and 0 < width <= MAXIMUM_SIDE):
        raise DataError(
            f"{name} claims to be {width}x{height} pixels; an aligned face has 1 to {MAXIMUM_SIDE} on a side"
        )
