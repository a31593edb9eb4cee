"""decode and decode_into against OpenCV, and on everything that is no image of the right size."""

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.decode import decode, decode_into
from facejobs.data.errors import DataError


def picture(height: int = 112, width: int = 112, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image: np.ndarray, extension: str) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "Gray"])
def test_jpeg_equals_opencv(subsampling: str) -> None:
    source = picture()[:, :, :1].copy() if subsampling == "Gray" else picture()
    colorspace = "GRAY" if subsampling == "Gray" else "RGB"
    encoded = simplejpeg.encode_jpeg(source, quality=92, colorspace=colorspace, colorsubsampling=subsampling)
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.abs(decode(encoded).astype(int) - expected).max() <= 1
    destination = np.empty((112, 112, 3), np.uint8)
    decode_into(memoryview(encoded), destination)
    np.testing.assert_array_equal(destination, decode(encoded))


@pytest.mark.parametrize("extension", [".png", ".bmp"])
def test_lossless_formats_come_back_exactly(extension: str) -> None:
    image = picture(50, 70)
    encoded = encode(image, extension)
    np.testing.assert_array_equal(decode(encoded), image)
    destination = np.empty_like(image)
    decode_into(memoryview(encoded), destination)
    np.testing.assert_array_equal(destination, image)


def test_decode_into_a_slot_leaves_its_neighbours_alone() -> None:
    batch = np.full((3, 112, 112, 3), 7, np.uint8)
    decode_into(encode(picture(), ".jpg"), batch[1])
    assert (batch[0] == 7).all() and (batch[2] == 7).all()
    assert batch[1].std() > 10


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(56, 112), (112, 56), (200, 112), (56, 224)])
def test_another_size_is_named(extension: str, size: tuple[int, int]) -> None:
    batch = np.full((2, 112, 112, 3), 7, np.uint8)
    with pytest.raises(DataError, match=f"{size[1]} x {size[0]} pixels where 112 x 112 are expected"):
        decode_into(encode(picture(*size), extension), batch[0])
    assert (batch[1] == 7).all()


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"", "empty"),
        (b"not an image at all", "not an image"),
        (encode(picture(), ".jpg")[:900], "damaged JPEG"),
        (b"\xff\xd8\xff", "damaged JPEG"),
        (encode(picture(), ".png")[:60], "image"),
    ],
)
def test_what_is_no_image_says_so(encoded: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode(encoded)
    with pytest.raises(DataError, match=message):
        decode_into(encoded, np.empty((112, 112, 3), np.uint8))


def test_a_claimed_size_beyond_reason_is_refused_before_memory_is_taken() -> None:
    encoded = bytearray(encode(picture(), ".jpg"))
    frame = encoded.index(b"\xff\xc0")
    encoded[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"
    with pytest.raises(DataError, match="65500 x 65500 pixels is too large"):
        decode(bytes(encoded))


@given(st.binary(max_size=300), st.integers(0, 800), st.sampled_from([".jpg", ".png"]))
def test_damage_never_does_worse_than_an_error(noise: bytes, at: int, extension: str) -> None:
    encoded = encode(picture(), extension)
    destination = np.empty((112, 112, 3), np.uint8)
    for damaged in (noise, encoded[:at] + noise, encoded[:at] + noise + encoded[at + len(noise) :]):
        try:
            decode_into(damaged, destination)
        except DataError as error:
            assert str(error)
