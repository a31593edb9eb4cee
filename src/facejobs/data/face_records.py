"""A record data set opened for training: images by position, without loading anything but what is asked for.

Two layouts exist. InsightFace's has images at 1..N, one identity record per class after them, and record 0 with the
range of the identity records. Its ranges are float32 and round above 2**24, so they are not read: an identity
record is one with flag 2 and no image, and since all of them come after the images the first one is found by
bisection. Files of im2rec have no identity records; there every record is an image.
"""

import struct
from bisect import bisect_left
from pathlib import Path
from typing import NamedTuple

from facejobs.data.errors import DataError
from facejobs.data.image_record import HEADER, ImageRecord, unpack_image_record
from facejobs.data.property_file import read_property
from facejobs.data.record_folder import find_records
from facejobs.data.record_index import RecordIndex, open_index
from facejobs.data.recordio import RecordError, RecordReader

_FIRST_LABEL = struct.Struct("<f")


class FaceRecord(NamedTuple):
    """One image record; `image` is the encoded JPEG or PNG, a view of the file where the record is not split."""

    key: int
    offset: int
    label: int
    image: memoryview


class FaceRecordFile:
    """The images of one record data set, by position 0..len-1 in ascending order of record numbers.

    Holds a memory map and the index, nothing that changes, so it may be shared by threads and used after a fork.
    """

    def __init__(
        self, path: Path, num_classes: int, image_size: tuple[int, int], records: RecordReader, index: RecordIndex
    ) -> None:
        """Join an opened `.rec` and its index; `FaceRecordFile.open` finds them."""
        self.path = path
        self.num_classes = num_classes
        self.image_size = image_size
        self._records = records
        self._index = index
        self._skip, self._count = self._locate_images()

    @classmethod
    def open(cls, directory: Path) -> "FaceRecordFile":
        """Open the one `NAME.rec` of `directory` with `NAME.idx` and `property`.

        Raises DataError when a file is missing or malformed, or when the index points beyond the records.
        """
        folder = find_records(directory)
        declared = read_property(folder.property_file)
        records = RecordReader(folder.records)
        index = open_index(folder.index)
        return cls(folder.records, declared.num_classes, (declared.height, declared.width), records, index)

    def __len__(self) -> int:
        """Return the number of image records."""
        return self._count

    def key_at(self, position: int) -> int:
        """Return the record number of the image at `position`."""
        if not 0 <= position < self._count:
            raise IndexError(f"position {position} of {self._count} images")
        return self._index.key_at(position + self._skip)

    def position_of(self, key: int) -> int | None:
        """Return the position of the image with record number `key`, None if there is none."""
        rank = self._index.rank_of(key)
        return rank - self._skip if rank is not None and 0 <= rank - self._skip < self._count else None

    def image(self, position: int) -> FaceRecord:
        """Return the image at `position`; RecordError if its record cannot be read or its label is no whole number."""
        key = self.key_at(position)
        offset = self._index.offset_of(key)
        try:
            payload = self._records.read(offset)
        except RecordError as error:
            raise RecordError(self.path, offset, error.problem, key) from None
        if len(payload) < HEADER.size:
            raise RecordError(self.path, offset, f"the payload of {len(payload)} bytes is no image record", key)
        flag, label, _, _ = HEADER.unpack_from(payload)
        start = HEADER.size
        if flag:
            start += 4 * flag
            if start > len(payload):
                raise RecordError(self.path, offset, f"announces {flag} labels but is too short for them", key)
            (label,) = _FIRST_LABEL.unpack_from(payload, HEADER.size)
        if not label.is_integer():
            raise RecordError(self.path, offset, f"the label {label} is no whole number", key)
        return FaceRecord(key, offset, int(label), payload[start:])

    def _locate_images(self) -> tuple[int, int]:
        """Return how many ranks to skip (record 0) and how many image records follow."""
        total = len(self._index)
        skip = 1 if self._index.key_at(0) == 0 and self._read(0).is_identity else 0
        end = total
        if total > skip and self._read(total - 1).is_identity:
            end = bisect_left(range(total), True, lo=skip, key=lambda rank: self._read(rank).is_identity)
        if end == skip:
            raise DataError(f"{self.path}: holds no image record; `facejobs data check {self.path.parent}` says more")
        return skip, end - skip

    def _read(self, rank: int) -> ImageRecord:
        key = self._index.key_at(rank)
        offset = self._index.offset_of(key)
        try:
            return unpack_image_record(self._records.read(offset))
        except (RecordError, ValueError) as error:
            problem = error.problem if isinstance(error, RecordError) else str(error)
            hint = f"`facejobs data check {self.path.parent}` tells whether the file is truncated or its index is wrong"
            raise RecordError(self.path, offset, f"{problem}; {hint}", key) from None
