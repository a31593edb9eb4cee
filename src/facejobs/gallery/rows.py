"""What a gallery keeps of each enrolled image, and of each cell that vectors are sorted into."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT_TOLERANCE = 1e-3
"""How far from 1 the length of an embedding may be."""

ROW = np.dtype(
    [
        ("person", "<u4"),
        ("quality", "<f4"),
        ("picture_offset", "<u8"),
        ("picture_bytes", "<u4"),
        ("sha256", "u1", (32,)),
    ]
)
"""A row of the table of images; `picture_bytes` is 0 where there is no picture."""


@dataclass(frozen=True)
class EnrolledImage:
    """One image of a person.

    `photograph` is the name of the file it was cut out of and `sha256` that file's digest in hexadecimal; `embedding`
    (D,) has unit length; `quality` is the larger the better; `picture` is a small encoded picture of the face.
    """

    person: str
    photograph: str
    sha256: str
    embedding: NDArray[np.float32]
    quality: float
    picture: bytes | None = None


def cell_dtype(size: int) -> np.dtype[Any]:
    """A cell: how many vectors it holds, and their direction (size,)."""
    return np.dtype([("count", "<u4"), ("centroid", "<f4", (size,))])
