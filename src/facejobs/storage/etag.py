"""ETags: the MD5 of an object, or of the MD5s of its parts, and when they are not that.

Follows what S3 and its kin do: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

MULTIPART_THRESHOLD = 16 << 20  # bytes; larger files are sent in parts
_PART = 16 << 20  # bytes
_MOST_PARTS = 10_000
_WHOLE = re.compile(r"[0-9a-f]{32}")
_IN_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]{1,5}")
_HIDDEN = frozenset({"aws:kms", "aws:kms:dsse"})


def part_size(size: int) -> int:
    """Bytes of every part but the last, of a file of `size` bytes: 16 MiB, more where that makes too many parts."""
    needed = -(-size // _MOST_PARTS)
    return max(_PART, -(-needed // (1 << 20)) << 20)


def etag_of_parts(digests: Sequence[bytes]) -> str:
    """The ETag of an object sent in parts with these MD5 digests."""
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def etag_in(response: dict[str, Any]) -> str:
    """The ETag of a server's answer, without quotes."""
    return str(response.get("ETag", "")).removeprefix("W/").strip('"')


def md5_in(response: dict[str, Any]) -> str | None:
    """The MD5 (or MD5 of MD5s with its `-N`) that the answer's ETag states; None where an ETag is something else.

    With keys of a key service or of the customer, an ETag is random.
    """
    etag = etag_in(response).lower()
    if response.get("ServerSideEncryption") in _HIDDEN or response.get("SSECustomerAlgorithm"):
        return None
    return etag if _WHOLE.fullmatch(etag) or _IN_PARTS.fullmatch(etag) else None


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)
