"""Decode every image of a data set, on several threads, while its records stream by."""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from facejobs.data.check.findings import SHOWN_PER_KIND
from facejobs.data.decode import decode
from facejobs.data.errors import DataError

_BATCH = 256
DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """What decoding one image showed; with a `problem` there is no size."""

    digest: int
    height: int = 0
    width: int = 0
    problem: str | None = None


def judge_image(image: memoryview) -> ImageVerdict:
    """Decode an image wholly, with the decoder that training uses."""
    digest = int.from_bytes(hashlib.blake2b(image, digest_size=DIGEST_BYTES).digest(), "little")
    try:
        height, width, _ = decode(image).shape
    except DataError as error:
        return ImageVerdict(digest, problem=str(error))
    return ImageVerdict(digest, height, width)


@dataclass
class ImageColumns:
    """What is kept of each image, in the order of the file: its row among the records and its content digest.

    Of images that are unreadable or of another size, all are counted and the first `SHOWN_PER_KIND` kept.
    """

    rows: array[int] = field(default_factory=lambda: array("q"))
    digests: array[int] = field(default_factory=lambda: array("Q"))
    other_sizes: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    unreadable: int = 0
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)


class ImageJudge:
    """Takes images one by one, judges them in batches on a pool, and collects the verdicts in order."""

    def __init__(self, size: tuple[int, int] | None, threads: int) -> None:
        """`size` is the (height, width) that `property` announces, None where it is unknown."""
        self.columns = ImageColumns()
        self._size = size
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="check")
        self._limit = threads * 4
        self._batch: list[tuple[int, memoryview]] = []
        self._waiting: deque[tuple[list[int], Future[list[ImageVerdict]]]] = deque()

    def add(self, row: int, image: memoryview) -> None:
        """Queue the image of record row `row`; waits when the pool is behind."""
        self._batch.append((row, image))
        if len(self._batch) == _BATCH:
            self._submit()
            if len(self._waiting) > self._limit:
                self._collect()

    def finish(self) -> ImageColumns:
        """Wait for all verdicts and return them."""
        self._submit()
        while self._waiting:
            self._collect()
        self.close()
        return self.columns

    def close(self) -> None:
        """Stop the pool; verdicts not collected yet are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self) -> None:
        rows, images = [row for row, _ in self._batch], [image for _, image in self._batch]
        self._waiting.append((rows, self._pool.submit(lambda: [judge_image(image) for image in images])))
        self._batch = []

    def _collect(self) -> None:
        rows, verdicts = self._waiting.popleft()
        columns = self.columns
        for row, verdict in zip(rows, verdicts.result(), strict=True):
            columns.rows.append(row)
            columns.digests.append(verdict.digest)
            if verdict.problem:
                columns.unreadable += 1
                if len(columns.problems) < SHOWN_PER_KIND:
                    columns.problems.append((row, verdict.problem))
            else:
                size = (verdict.height, verdict.width)
                columns.sizes[size] = columns.sizes.get(size, 0) + 1
                if size != self._size and len(columns.other_sizes) < SHOWN_PER_KIND:
                    columns.other_sizes.append((row, size))
