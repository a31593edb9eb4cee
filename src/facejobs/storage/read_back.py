"""Hashes an object as a reader receives it: what proves that an upload arrived."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from blake3 import blake3

from facejobs.storage.store import ObjectStore

_RANGE = 8 << 20  # bytes
_RANGES_AHEAD = 4


def blake3_of_object(store: ObjectStore, key: str, size: int) -> str:
    """The BLAKE3 of all bytes the store hands out for `key`; `size` in bytes is what it should have.

    Raises NotFoundError, and the other errors of a store.
    """
    digest = blake3()
    for data in _pieces(store, key, size):
        digest.update(data)
    return digest.hexdigest()


def _pieces(store: ObjectStore, key: str, size: int) -> Iterator[bytes]:
    if size <= _RANGE:
        yield store.read(key)
        return
    # Asking for one byte past the end shows an object that has grown.
    offsets = deque(range(0, size + 1, _RANGE))
    with ThreadPoolExecutor(_RANGES_AHEAD, thread_name_prefix="read-back") as pool:
        ahead: deque[Future[bytes]] = deque()
        try:
            while offsets or ahead:
                while offsets and len(ahead) < _RANGES_AHEAD:
                    ahead.append(pool.submit(store.read, key, offsets.popleft(), _RANGE))
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
