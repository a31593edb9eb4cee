"""Encoded images are decoded in order, ahead, and named where they cannot be."""

import cv2
import numpy as np
import pytest
import simplejpeg

from facejobs.data.encoded_images import EncodedImages
from facejobs.data.errors import DataError


def jpeg(value: int, height: int = 8, width: int = 8) -> bytes:
    return simplejpeg.encode_jpeg(np.full((height, width, 3), value, np.uint8), quality=95)


def images_of(encoded: list[bytes]) -> EncodedImages:
    return EncodedImages(encoded, [f"face {index}" for index in range(len(encoded))])


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 10])
@pytest.mark.parametrize("threads", [1, 3])
def test_batches_hold_every_image_in_order(batch_size: int, threads: int) -> None:
    images = images_of([jpeg(20 * index) for index in range(7)])
    batches = list(images.batches(batch_size, threads))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    together = np.concatenate(batches)
    assert together.dtype == np.uint8
    assert np.array_equal(together, np.stack([images[index] for index in range(7)]))
    assert together.mean(axis=(1, 2, 3)).round() == pytest.approx([0, 20, 40, 60, 80, 100, 120], abs=1)


def test_colours_are_rgb_in_jpeg_and_png() -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[..., 0] = 200
    png = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    for encoded in (simplejpeg.encode_jpeg(rgb, quality=95, colorsubsampling="444"), png):
        assert images_of([encoded])[0][4, 4] == pytest.approx([200, 0, 0], abs=4)


@pytest.mark.parametrize("broken", [b"", b"text", jpeg(9)[:-40], jpeg(9)[:20], b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_an_unreadable_image_is_named(broken: bytes) -> None:
    images = images_of([jpeg(1), broken, jpeg(2)])
    with pytest.raises(DataError, match="face 1: "):
        list(images.batches(2, 1))


def test_an_image_of_another_size_is_named() -> None:
    images = images_of([jpeg(1), jpeg(1), jpeg(1, height=10, width=12)])
    with pytest.raises(DataError, match="face 2 is 12x10 pixels, but face 0 is 8x8"):
        list(images.batches(2, 1))
