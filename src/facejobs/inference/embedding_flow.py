"""Many photographs at once: some are read and searched while the faces of those before them are embedded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import DataError
from facejobs.inference.aligned_faces import AlignedFaces

FACES_AT_ONCE = 16
"""Embedded in one call; more are no faster on a CPU, and the other workers would wait for the last ones."""
_PHOTOGRAPHS_AT_ONCE = 32
_AHEAD = 8
"""Photographs that are searched before they are asked for, so that no worker waits while faces are embedded."""

Embeddings = NDArray[np.float32]
Align = Callable[[Path], AlignedFaces | DataError]
Embed = Callable[[NDArray[np.uint8]], Embeddings]
Group = list[tuple[Path, AlignedFaces | DataError]]
Embedded = tuple[AlignedFaces, Embeddings]


def embed_together(
    paths: Iterable[Path], align: Align, embed: Embed, workers: int
) -> Iterator[tuple[Path, Embedded | DataError]]:
    """Yield each path with its aligned faces and their embeddings (N, D), or with its error, in order.

    `align` and `embed` run on `workers` threads; the faces of several photographs are embedded together. Raises what
    they raise.
    """
    with _threads(workers) as pool:
        waiting: deque[tuple[Group, Future[Embeddings]]] = deque()
        for group in _groups(_aligned_ahead(paths, align, pool)):
            waiting.append((group, pool.submit(_embed_group, group, embed)))
            while waiting and (len(waiting) > workers or waiting[0][1].done()):
                yield from _spread(*waiting.popleft())
        for group, embeddings in waiting:
            yield from _spread(group, embeddings)


def embed_in_parallel(crops: NDArray[np.uint8], embed: Embed, workers: int) -> Embeddings:
    """Return the embeddings (N, D) of `crops` (N, 112, 112, 3), parts of which `workers` threads embed at once."""
    if len(crops) <= FACES_AT_ONCE:
        return embed(crops)
    parts = [crops[first : first + FACES_AT_ONCE] for first in range(0, len(crops), FACES_AT_ONCE)]
    with _threads(workers) as pool:
        return np.concatenate(list(pool.map(embed, parts)))


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin no more work when the block ends."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="faces")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _aligned_ahead(
    paths: Iterable[Path], align: Align, pool: ThreadPoolExecutor
) -> Iterator[tuple[Path, AlignedFaces | DataError]]:
    ahead: deque[tuple[Path, Future[AlignedFaces | DataError]]] = deque()
    for path in paths:
        ahead.append((path, pool.submit(align, path)))
        if len(ahead) > _AHEAD:
            first, aligned = ahead.popleft()
            yield first, aligned.result()
    for path, aligned in ahead:
        yield path, aligned.result()


def _groups(photographs: Iterable[tuple[Path, AlignedFaces | DataError]]) -> Iterator[Group]:
    """Photographs whose faces are embedded in one call."""
    group: Group = []
    faces = 0
    for path, aligned in photographs:
        group.append((path, aligned))
        faces += 0 if isinstance(aligned, DataError) else len(aligned.crops)
        if faces >= FACES_AT_ONCE or len(group) >= _PHOTOGRAPHS_AT_ONCE:
            yield group
            group, faces = [], 0
    if group:
        yield group


def _embed_group(group: Group, embed: Embed) -> Embeddings:
    crops = [aligned.crops for _, aligned in group if not isinstance(aligned, DataError)]
    return embed(np.concatenate(crops)) if crops else np.empty((0, 0), np.float32)


def _spread(group: Group, embedded: Future[Embeddings]) -> Iterator[tuple[Path, Embedded | DataError]]:
    embeddings, first = embedded.result(), 0
    for path, aligned in group:
        if isinstance(aligned, DataError):
            yield path, aligned
        else:
            last = first + len(aligned.crops)
            yield path, (aligned, embeddings[first:last])
            first = last
