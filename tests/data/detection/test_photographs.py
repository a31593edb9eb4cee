"""Photographs come upright and in RGB whatever the file holds, and damage is an error that names the file."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from facejobs.data.detection.photographs import (
    decode_photograph,
    of_file,
    photograph_size,
    read_photograph,
    stored_sideways,
)
from facejobs.data.errors import DataError

ORIENTATION = 0x0112


def scene(height: int = 40, width: int = 60) -> np.ndarray:
    """A smooth picture without any symmetry."""
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    red, green = np.meshgrid(across, down)
    return np.stack([red, green, (red + 2 * green) / 3], axis=2).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(kind: str, orientation: object) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    return encoded(Image.fromarray(scene()), kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    file = oriented(kind, orientation)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB"))
    found = decode_photograph(file)
    assert found.dtype == np.uint8 and found.shape == expected.shape and found.flags.c_contiguous
    assert np.abs(found.astype(int) - expected).max() <= 4
    assert photograph_size(file) == expected.shape[:2]
    if kind != "TIFF":
        assert stored_sideways(file) == (orientation >= 5)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_mean_nothing_leave_the_photograph_as_it_is(orientation: int) -> None:
    assert decode_photograph(oriented("JPEG", orientation)).shape == (40, 60, 3)


def test_malformed_exif_leaves_the_photograph_as_it_is() -> None:
    file = oriented("JPEG", 6)
    start = file.index(b"Exif\0\0") + 6
    for damage in (b"XX", b"II\x2a\0\xff\xff\xff\xff"):
        assert decode_photograph(file[:start] + damage + file[start + len(damage) :]).shape == (40, 60, 3)


def test_grey() -> None:
    grey = Image.fromarray(scene()).convert("L")
    for kind in ("JPEG", "PNG"):
        found = decode_photograph(encoded(grey, kind))
        assert found.shape == (40, 60, 3)
        assert np.abs(found.astype(int) - np.asarray(grey)[..., None]).max() <= 8


@pytest.mark.parametrize("quality", [30, 95])
def test_cmyk(quality: int) -> None:
    file = encoded(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=quality)
    expected = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
    assert np.abs(decode_photograph(file) - expected).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_become_eight(suffix: str) -> None:
    deep = scene().astype(np.uint16) * 257
    _, file = cv2.imencode(suffix, deep[..., ::-1])
    assert np.abs(decode_photograph(file.tobytes()).astype(int) - scene()).max() <= 1
    _, file = cv2.imencode(suffix, deep[..., 0])
    assert np.abs(decode_photograph(file.tobytes()).astype(int) - scene()[..., :1]).max() <= 1


def test_palette_and_alpha() -> None:
    picture = Image.fromarray(scene())
    few = picture.quantize(16)
    found = decode_photograph(encoded(few, "PNG"))
    np.testing.assert_array_equal(found, np.asarray(few.convert("RGB")))
    picture.putalpha(200)
    np.testing.assert_array_equal(decode_photograph(encoded(picture, "PNG")), scene())
    bits = Image.fromarray(scene()).convert("1")
    np.testing.assert_array_equal(decode_photograph(encoded(bits, "PNG")), np.asarray(bits.convert("RGB")))


def test_one_pixel() -> None:
    for kind in ("JPEG", "PNG", "BMP"):
        assert decode_photograph(encoded(Image.new("RGB", (1, 1), "white"), kind)).tolist() == [[[255, 255, 255]]]


def test_a_photograph_of_12000_by_9000() -> None:
    file = simplejpeg.encode_jpeg(np.full((9000, 12000, 1), 90, np.uint8), 50, "GRAY", "Gray")
    assert photograph_size(file) == (9000, 12000)
    found = decode_photograph(file)
    assert found.shape == (9000, 12000, 3)
    assert found[::3000, ::3000].reshape(-1).tolist() == [90] * 36


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data)
    )


@pytest.mark.parametrize("size", [(12000, 12000), (40000, 40000)])
def test_absurd_sizes_are_refused_before_they_take_memory(size: tuple[int, int]) -> None:
    for file in (png_header(*size), jpeg_that_claims(*size)):
        with pytest.raises(DataError, match="too large to decode"):
            decode_photograph(file)


def jpeg_that_claims(width: int, height: int) -> bytes:
    file = bytearray(encoded(Image.fromarray(scene()), "JPEG"))
    place = file.index(b"\xff\xc0") + 5
    file[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(file)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("left", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, kind: str, left: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    file = encoded(Image.fromarray(noise), kind)
    path = tmp_path / "photograph.jpg"
    path.write_bytes(file[: int(len(file) * left)])
    with pytest.raises(DataError) as caught:
        read_photograph(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8", b"\xff\xd8\xff\xe1\0\x10Exif\0\0", b"GIF89a"])
def test_other_bytes_are_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(content)
    for what in (decode_photograph, photograph_size):
        with pytest.raises(DataError, match=r"photograph\.jpg: "):
            of_file(path, what)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jpg: no such photograph"):
        read_photograph(tmp_path / "none.jpg")
    with pytest.raises(DataError, match="is a folder"):
        read_photograph(tmp_path)


def test_what_no_photograph_can_be_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg: not a file"):
        read_photograph(tmp_path / "pipe.jpg")
    with (tmp_path / "long.jpg").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(DataError, match=r"long\.jpg: 1,073,741,825 bytes long, too large for a photograph"):
        read_photograph(tmp_path / "long.jpg")


WHOLE = {kind: oriented(kind, 6) for kind in ("JPEG", "PNG", "WEBP", "TIFF")}


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
@settings(max_examples=150)
def test_damaged_files_are_photographs_or_data_errors(kind: str, place: int, damage: bytes) -> None:
    whole = WHOLE[kind]
    place %= len(whole)
    file = whole[:place] + damage + whole[place + len(damage) :]
    try:
        found = decode_photograph(file)
    except DataError:
        return
    assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3
    assert photograph_size(file) == found.shape[:2]
