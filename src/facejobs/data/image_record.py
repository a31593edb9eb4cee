"""What an MXNet image record holds: a header, labels, and an encoded image.

The header is `IfQQ`, little-endian, 24 bytes: flag, label, id, id2. With flag k > 0, k float32 labels follow and
replace `label`. The rest of the payload is the image file. InsightFace's identity records have flag 2 and no image.
"""

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<IfQQ")


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One decoded payload; `labels` has one entry when flag is 0. `image` is empty in identity records."""

    flag: int
    labels: tuple[float, ...]
    id: int
    id2: int
    image: memoryview

    @property
    def is_identity(self) -> bool:
        """Whether this is one of InsightFace's bookkeeping records (an identity's range, or record 0)."""
        return self.flag == 2 and not self.image


def unpack_image_record(payload: memoryview) -> ImageRecord:
    """Split a payload into header, labels and image (a view); ValueError if it is too short for its header."""
    if len(payload) < HEADER.size:
        raise ValueError(f"an image record needs a header of {HEADER.size} bytes, this payload has {len(payload)}")
    flag, label, id_, id2 = HEADER.unpack_from(payload)
    if not flag:
        return ImageRecord(flag, (label,), id_, id2, payload[HEADER.size :])
    start = HEADER.size + 4 * flag
    if start > len(payload):
        raise ValueError(f"the header announces {flag} labels, the payload of {len(payload)} bytes is too short")
    labels = struct.unpack_from(f"<{flag}f", payload, HEADER.size)
    return ImageRecord(flag, labels, id_, id2, payload[start:])


def pack_image_record(label: float | tuple[float, ...], record_id: int, image: bytes = b"") -> bytes:
    """Return a payload: flag 0 for a single label, flag k for a tuple of k labels; id2 is 0."""
    if isinstance(label, tuple):
        return HEADER.pack(len(label), 0.0, record_id, 0) + struct.pack(f"<{len(label)}f", *label) + image
    return HEADER.pack(0, label, record_id, 0) + image
