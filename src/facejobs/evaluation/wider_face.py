"""The ground truth of WIDER FACE's own evaluation: its MATLAB files, which say what is easy, medium and hard.

`wider_easy_val.mat`, `wider_medium_val.mat` and `wider_hard_val.mat` each hold, by event and photograph, all boxes
(`face_bbx_list`, x y w h), which of them are invalid (`invalid_label_list`), and the numbers, from 1, of those that the
subset looks for (`gt_list`).
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from facejobs.data.errors import DataError
from facejobs.data.reading import reading
from facejobs.evaluation.face_matching import Boxes, Flags

SUBSETS = ("easy", "medium", "hard")
_CONTENT = ("event_list", "file_list", "face_bbx_list", "invalid_label_list", "gt_list")

# MAT-File Format, "Level 5 MAT-File Format".
_FILE_HEADER = 128
_LITTLE_ENDIAN_5 = b"\x00\x01IM"
_VARIABLE_HEADER = 8
_COMPRESSED = 15
_LARGEST_VARIABLE = 1 << 28


@dataclass(frozen=True, slots=True, eq=False)
class WiderFaceSubset:
    """The faces of the photographs of one split, in their order, and those that one subset looks for.

    `boxes` (N, 4) x1 y1 x2 y2, `invalid` (N,) and `counted` (N,) are one array a photograph.
    """

    name: str
    boxes: tuple[Boxes, ...]
    invalid: tuple[Flags, ...]
    counted: tuple[Flags, ...]


def find_subsets(folder: Path, photographs: Sequence[str]) -> list[WiderFaceSubset]:
    """Read the `wider_*_val.mat` that lie in `folder`, for `photographs` such as `0--Parade/0_Parade_Parade_0_194.jpg`.

    Empty where there is none. Raises DataError for a damaged file, or one that does not know a photograph.
    """
    paths = {name: folder / f"wider_{name}_val.mat" for name in SUBSETS}
    return [_read_subset(name, path, photographs) for name, path in paths.items() if path.is_file()]


def _read_subset(name: str, path: Path, photographs: Sequence[str]) -> WiderFaceSubset:
    with reading(path):
        known = _parse(path, path.read_bytes())
    keys = [str(PurePosixPath(photograph).with_suffix("")) for photograph in photographs]
    missing = [key for key in keys if key not in known]
    if missing:
        raise DataError(
            f"{path} does not know {len(missing)} of the {len(keys)} photographs, such as {missing[0]}: it belongs to "
            "other photographs; remove it to measure without it"
        )
    boxes, invalid, counted = zip(*(known[key] for key in keys), strict=True) if keys else ((), (), ())
    return WiderFaceSubset(name, boxes, invalid, counted)


def _parse(path: Path, data: bytes) -> dict[str, tuple[Boxes, Flags, Flags]]:
    """Boxes, invalid and counted flags of every photograph, by `event/name`."""
    from scipy.io import loadmat

    try:
        _verify_checksums(data)
        content = loadmat(BytesIO(data), variable_names=_CONTENT)
        events = [_text(event) for event in content["event_list"].ravel()]
        per_event = zip(*(content[variable].ravel() for variable in _CONTENT[1:]), strict=True)
        return {
            f"{event}/{_text(name)}": _faces(boxes, invalid, numbers)
            for event, lists in zip(events, per_event, strict=True)
            for name, boxes, invalid, numbers in zip(*(item.ravel() for item in lists), strict=True)
        }
    except (
        Exception
    ) as error:  # a damaged file makes scipy raise whatever its parser meets, OSError and MemoryError too
        raise DataError(
            f"{path} is damaged or not a file of WIDER FACE's evaluation tools ({type(error).__name__}: {error}); copy "
            "it again, or remove it to measure without it"
        ) from None


def _verify_checksums(data: bytes) -> None:
    """Raise ValueError or zlib.error unless every variable is compressed, as in WIDER FACE's files, and undamaged.

    Such a variable ends with a checksum. scipy parses before it looks at that, and damage can end the process then.
    """
    if data[124:128] != _LITTLE_ENDIAN_5:
        raise ValueError("not a MATLAB file of version 5")
    start = _FILE_HEADER
    while start < len(data):
        kind, size = struct.unpack_from("<II", data, start)
        start += _VARIABLE_HEADER
        variable = zlib.decompressobj()
        variable.decompress(data[start : start + size], _LARGEST_VARIABLE)
        if kind != _COMPRESSED or not variable.eof:
            raise ValueError("a variable that is cut off, too large or not compressed")
        start += size


def _text(cell: Any) -> str:
    return str(np.asarray(cell).item())


def _faces(boxes: Any, invalid: Any, numbers: Any) -> tuple[Boxes, Flags, Flags]:
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    flags = np.array(invalid).reshape(len(corners)).astype(bool)
    counted = np.zeros(len(corners), bool)
    chosen = np.array(numbers, np.int64).ravel() - 1
    if not np.isfinite(corners).all() or (chosen < 0).any():
        raise ValueError("a box that is not finite, or a face numbered below 1")
    counted[chosen] = True
    return corners, flags, counted
