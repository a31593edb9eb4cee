"""InsightFace's verification format (.bin), read without ever unpickling it.

Such a file is a Python pickle of `(images, same)`: a list of 2n encoded images (bytes, or numpy uint8
vectors of them) and n flags.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.data.inert_pickle import InertArray, read_inert_pickle
from facejobs.data.reading import reading


@dataclass(frozen=True, slots=True)
class InsightFaceBin:
    """Content of a .bin: `images[2k]` and `images[2k+1]` are pair k; `same` is bool (n,)."""

    images: list[bytes]
    same: NDArray[np.bool_]
    sha256: str


def read_insightface_bin(path: Path) -> InsightFaceBin:
    """Read an InsightFace .bin file, of Python 2 or 3 and of any pickle protocol from 1 to 5.

    Raises DataError with the byte offset where the file is truncated or holds anything else.
    """
    with reading(path):
        data = path.read_bytes()
    if not data:
        raise DataError(f"{path} is empty (0 bytes); copy it again")
    content = read_inert_pickle(path, data)
    if not (isinstance(content, list | tuple) and len(content) == 2):
        raise DataError(f"{path}: expected a pair (images, same), found {_kind(content)}; is this an InsightFace .bin?")
    images, same = content
    if not isinstance(images, list | tuple):
        raise DataError(f"{path}: expected a list of images, found {_kind(images)}")
    flags = _flags(path, same)
    if len(images) != 2 * len(flags):
        raise DataError(f"{path}: {len(images)} images but {len(flags)} flags; each pair needs two images and one flag")
    if not len(flags):
        raise DataError(f"{path} holds no pair")
    return InsightFaceBin(
        images=[_image_bytes(path, image, index) for index, image in enumerate(images)],
        same=flags,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _image_bytes(path: Path, image: object, index: int) -> bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(image, InertArray) and image.data is not None and image.dtype == "u1" and image.is_vector:
        return image.data
    raise DataError(f"{path}: image {index} is {_kind(image)}; expected encoded bytes, or a numpy uint8 vector of them")


def _flags(path: Path, same: object) -> NDArray[np.bool_]:
    if isinstance(same, InertArray) and same.data is not None and same.is_vector:
        same = np.frombuffer(same.data, same.order + same.dtype).tolist()
    if not isinstance(same, list | tuple):
        raise DataError(f"{path}: expected a list of flags (same person or not), found {_kind(same)}")
    for index, flag in enumerate(same):
        if not isinstance(flag, int) or flag not in (0, 1):
            raise DataError(f"{path}: flag {index} is {_kind(flag)}; expected True or False")
    return np.array(same, dtype=np.bool_)


def _kind(value: object) -> str:
    if isinstance(value, InertArray):
        return f"a numpy array of type {value.dtype} and shape {value.shape}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} items"
    return (
        f"the integer {value}" if isinstance(value, int) and abs(value) < 1 << 64 else f"of type {type(value).__name__}"
    )
