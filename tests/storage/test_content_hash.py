"""Digests of a content: the published values, and which of them decides."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from facejobs.storage.content_hash import ContentHash, ContentHasher, content_hash

# The first test vectors that BLAKE3's authors publish: no bytes, and the byte 0.
EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
ZERO = "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"


def test_both_digests_are_the_published_ones() -> None:
    assert content_hash(b"").result() == ContentHash(hashlib.sha256().hexdigest(), EMPTY)
    assert content_hash(b"\0").result() == ContentHash(hashlib.sha256(b"\0").hexdigest(), ZERO)


@given(st.lists(st.binary(max_size=3000)))
def test_pieces_give_the_digests_of_the_whole(pieces: list[bytes]) -> None:
    hasher = ContentHasher()
    for piece in pieces:
        hasher.update(memoryview(piece))
    assert hasher.result() == content_hash(b"".join(pieces)).result()
    assert hasher.fault() is None


def test_the_blake3_decides_where_it_is_known() -> None:
    expected = ContentHash("0" * 64, ZERO)
    assert content_hash(b"\0", expected).fault() is None
    assert content_hash(b"\0", expected).result() == expected
    assert content_hash(b"", expected).fault() == f"its BLAKE3 is {EMPTY}, not {ZERO}"


def test_the_sha256_decides_elsewhere() -> None:
    known = content_hash(b"\0").result()
    assert content_hash(b"\0", ContentHash(known.sha256)).fault() is None
    assert content_hash(b"\0", ContentHash(known.sha256)).result() == known
    assert content_hash(b"", ContentHash(known.sha256)).fault() == (
        f"its SHA-256 is {hashlib.sha256().hexdigest()}, not {known.sha256}"
    )
