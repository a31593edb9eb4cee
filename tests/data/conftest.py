"""Small record data sets of noise images, in both layouts, for the tests of this room."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from facejobs.data.image_record import pack_image_record
from facejobs.data.recordio import RecordWriter

WriteRecords = Callable[..., Path]


def noise_jpeg(seed: int, height: int = 112, width: int = 112) -> bytes:
    """A JPEG of blurred noise; different for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    image = np.kron(coarse, np.ones((-(-height // 8), -(-width // 8), 1), np.uint8))[:height, :width]
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=80, colorspace="RGB")


@pytest.fixture
def jpeg() -> Callable[..., bytes]:
    """Makes a noise JPEG: jpeg(seed, height=112, width=112)."""
    return noise_jpeg


@pytest.fixture
def write_records(tmp_path: Path) -> WriteRecords:
    """Writes a data set and returns its directory.

    `people` holds the encoded images of each identity. With `identity_records`, InsightFace's layout (images from 1,
    identity records, record 0 last); without, im2rec's (images from 0).
    """

    def write(
        people: Sequence[Sequence[bytes]],
        identity_records: bool = True,
        declared: str | None = None,
        name: str = "records",
        with_list: bool = False,
    ) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        first_key = 1 if identity_records else 0
        with (directory / "a.rec").open("wb") as records, (directory / "a.idx").open("wb") as index:
            writer = RecordWriter(records, index)
            key = first_key
            ranges, lines = [], []
            for label, images in enumerate(people):
                first = key
                for image in images:
                    writer.write(key, pack_image_record(float(label), key, image))
                    path = f"person_{label}/{key}.jpg"
                    lines.append(f"1\t{path}\t{label}" if identity_records else f"{key}\t{label}.0\t{path}")
                    key += 1
                ranges.append((float(first), float(key)))
            if identity_records:
                end = key
                for span in ranges:
                    writer.write(key, pack_image_record(span, key))
                    key += 1
                writer.write(0, pack_image_record((float(end), float(key)), 0))
        if with_list:
            (directory / "a.lst").write_text("\n".join(lines) + "\n")
        (directory / "property").write_text(f"{len(people)},112,112\n" if declared is None else declared)
        return directory

    return write
