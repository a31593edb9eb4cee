"""The digests that prove a content: SHA-256, which other programs know, and BLAKE3, which is many times as fast.

Both are cryptographic and 256 bits long, so either proves a content; BLAKE3: https://github.com/BLAKE3-team/BLAKE3-specs.
"""

import hashlib
from typing import NamedTuple

from blake3 import blake3


class ContentHash(NamedTuple):
    """What a content is, each in lower-case hexadecimal; `blake3` is None where nobody computed it."""

    sha256: str
    blake3: str | None = None


class ContentHasher:
    """Hashes a content in the order of its bytes.

    Where an `expected` BLAKE3 is known, that alone is computed: a content that has it has the SHA-256 of `expected`.
    """

    def __init__(self, expected: ContentHash | None = None) -> None:
        self._expected = expected
        self._blake3 = blake3()
        self._sha256 = None if expected and expected.blake3 else hashlib.sha256()

    def update(self, data: "bytes | memoryview") -> None:
        """Hash the next bytes."""
        self._blake3.update(data)
        if self._sha256 is not None:
            self._sha256.update(data)

    def fault(self) -> str | None:
        """Why the content is not the expected one, as "its X is …, not …"; None if it is, or none is expected."""
        if self._expected is None:
            return None
        if self._sha256 is None:
            kind, found, wanted = "BLAKE3", self._blake3.hexdigest(), self._expected.blake3
        else:
            kind, found, wanted = "SHA-256", self._sha256.hexdigest(), self._expected.sha256
        return None if found == wanted else f"its {kind} is {found}, not {wanted}"

    def result(self) -> ContentHash:
        """Both digests of what was hashed; to be asked only when `fault` finds none."""
        if self._sha256 is not None:
            return ContentHash(self._sha256.hexdigest(), self._blake3.hexdigest())
        assert self._expected is not None
        return self._expected


def content_hash(data: bytes, expected: ContentHash | None = None) -> ContentHasher:
    """A hasher that has seen `data`."""
    hasher = ContentHasher(expected)
    hasher.update(data)
    return hasher
