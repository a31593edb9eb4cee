"""InsightFace .bin files of every writer are read; anything else is an error that says what."""

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from facejobs.data.errors import DataError
from facejobs.data.insightface_bin import read_insightface_bin

IMAGES = [bytes([index]) * (index + 1) for index in range(6)]
SAME = [True, False, True]


def write(folder: Path, content: object, protocol: int = 2) -> Path:
    path = folder / "set.bin"
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("form", ["bytes", "vectors", "columns"])
@pytest.mark.parametrize("flags", ["bools", "numpy bools", "numbers", "array", "tuple"])
def test_every_way_to_write_one_reads_the_same(tmp_path: Path, protocol: int, form: str, flags: str) -> None:
    arrays = [np.frombuffer(image, np.uint8) for image in IMAGES]
    images = {"bytes": IMAGES, "vectors": arrays, "columns": [array[:, None].copy() for array in arrays]}[form]
    same = {
        "bools": SAME,
        "numpy bools": [np.bool_(flag) for flag in SAME],
        "numbers": [int(flag) for flag in SAME],
        "array": np.array(SAME),
        "tuple": tuple(SAME),
    }[flags]
    path = write(tmp_path, (images, same), protocol)
    content = read_insightface_bin(path)
    assert content.images == IMAGES
    assert content.same.dtype == np.bool_
    assert content.same.tolist() == SAME
    assert content.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_of_python_2_is_read(tmp_path: Path) -> None:
    def string(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02](" + b"".join(map(string, IMAGES)) + b"e](" + b"\x88\x89\x88" + b"e\x86.")
    content = read_insightface_bin(path)
    assert content.images == IMAGES
    assert content.same.tolist() == SAME


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2, 3], "expected a pair"),
        (b"text", "expected a pair"),
        ((b"images", [True]), "expected a list of images"),
        ((IMAGES, b"flags"), "expected a list of flags"),
        ((IMAGES[:5], SAME), "5 images but 3 flags"),
        (([], []), "no pair"),
        ((IMAGES, [True, 2, False]), "flag 1 is the integer 2"),
        ((IMAGES, [True, None, False]), "flag 1 is of type NoneType"),
        (([*IMAGES[:5], "text"], SAME), "image 5 is of type str"),
        (([*IMAGES[:5], np.zeros((2, 2), np.uint8)], SAME), r"image 5 is a numpy array of type u1 and shape \(2, 2\)"),
        (([*IMAGES[:5], np.zeros(2, np.int64)], SAME), "image 5 is a numpy array of type i8"),
        (([*IMAGES[:5], np.zeros(2, np.float32)], SAME), "'f4' is refused"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_insightface_bin(path)
    assert str(path) in str(caught.value)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.bin"
    path.touch()
    with pytest.raises(DataError, match=r"empty\.bin is empty"):
        read_insightface_bin(path)


@pytest.mark.shared_data
def test_the_real_sample_equals_what_unpickling_gives(shared_data: Path) -> None:
    path = shared_data / "verification" / "small_lfw.bin"
    with path.open("rb") as stream:
        images, same = pickle.load(stream, encoding="bytes")
    content = read_insightface_bin(path)
    assert content.images == [image.tobytes() for image in images]
    assert content.same.tolist() == list(same)
