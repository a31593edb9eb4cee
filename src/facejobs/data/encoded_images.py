"""Encoded face images held in memory and decoded when asked for."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from facejobs.data.decode import EncodedImage, ImageArray, decode
from facejobs.data.errors import DataError


class EncodedImages:
    """JPEG and PNG images; item i is decoded to uint8 (H, W, 3) RGB. Safe to use from many threads.

    `names` are used in error messages. The encoded bytes stay in memory (about 5 KB a 112x112 face).
    """

    def __init__(self, encoded: Sequence[bytes], names: Sequence[str]) -> None:
        self.encoded = encoded
        self.names = names

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> ImageArray:
        return decode_image(self.encoded[index], self.names[index])

    def batches(self, batch_size: int, threads: int) -> Iterator[ImageArray]:
        """Yield uint8 (N, H, W, 3) RGB in order, N = `batch_size` but for the last; decodes one batch ahead.

        Raises DataError for an image that cannot be decoded or whose size differs from the first one's.
        """
        with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:

            def submit(start: int) -> list[Future[ImageArray]]:
                stop = min(start + batch_size, len(self))
                return [pool.submit(self.__getitem__, index) for index in range(start, stop)]

            waiting = submit(0)
            shape: tuple[int, ...] | None = None
            for start in range(0, len(self), batch_size):
                following = submit(start + batch_size)
                images = [future.result() for future in waiting]
                shape = shape or images[0].shape
                self._check_shapes(images, start, shape)
                yield np.stack(images)
                waiting = following

    def _check_shapes(self, images: Sequence[ImageArray], start: int, shape: tuple[int, ...]) -> None:
        for index, image in enumerate(images, start):
            if image.shape != shape:
                raise DataError(
                    f"{self.names[index]} is {image.shape[1]}x{image.shape[0]} pixels, but {self.names[0]} is "
                    f"{shape[1]}x{shape[0]}: all images must be aligned to one size"
                )


def decode_image(encoded: EncodedImage, name: str) -> ImageArray:
    """Decode to uint8 (H, W, 3) RGB; raises DataError, naming the image, where it cannot be decoded."""
    try:
        return decode(encoded)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
