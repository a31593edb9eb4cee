"""Tells one content from another without reading all of a large file."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

_CHUNK = 1 << 16
_CHUNKS = 256
_THREADS = 16


class Sampled(NamedTuple):
    """A file, wherever it is: its size in bytes, and how to read (start, length); shorter at its end."""

    size: int
    read: Callable[[int, int], bytes]


def samples(file: Sampled) -> Iterator[bytes]:
    """Pieces of a file in order: all up to 16 MiB, else 256 of 64 KiB spread evenly; the last one comes twice."""
    last = max(0, file.size - _CHUNK)
    if file.size <= _CHUNK * _CHUNKS:
        whole = file.read(0, file.size)
        starts = range(0, file.size, _CHUNK)
        # The last chunk of the walk is read from `last` on, as for large files.
        yield from (whole[min(start, last) : min(start, last) + _CHUNK] for start in starts)
        yield whole[last:]
        return
    places = [*(min(start, last) for start in range(0, file.size, file.size // _CHUNKS)), last]
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda start: file.read(start, _CHUNK), places)


def sampled_digest(file: Sampled, companions: Sequence[Sampled]) -> str:
    """SHA-256 over the size of a file and samples of it, then over the whole of its companions."""
    digest = hashlib.sha256(str(file.size).encode())
    for piece in samples(file):
        digest.update(piece)
    for companion in companions:
        for start in range(0, companion.size, _CHUNK * _CHUNKS):
            digest.update(companion.read(start, _CHUNK * _CHUNKS))
    return digest.hexdigest()
