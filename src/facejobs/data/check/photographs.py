"""Read every photograph of a data set, on several threads, with the decoder that training uses."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.detection.photographs import decode_photograph, of_file, stored_sideways
from facejobs.data.errors import DataError


@dataclass(frozen=True, slots=True)
class PhotographVerdict:
    """What reading one photograph showed; where there is a `problem`, the rest is nothing.

    `size` is (height, width) of the upright photograph; `sideways` says that the file holds it with the two swapped.
    """

    digest: bytes = b""
    size: tuple[int, int] = (0, 0)
    sideways: bool = False
    problem: str | None = None


def judge_photographs(paths: Sequence[Path], threads: int) -> Iterator[PhotographVerdict]:
    """Yield a verdict for each path, in order."""
    with ThreadPoolExecutor(threads, thread_name_prefix="check") as pool:
        try:
            yield from pool.map(_judge, paths)
        finally:
            pool.shutdown(cancel_futures=True)


def _judge(path: Path) -> PhotographVerdict:
    try:
        return of_file(path, _verdict)
    except DataError as error:
        return PhotographVerdict(problem=str(error))


def _verdict(encoded: bytes) -> PhotographVerdict:
    height, width, _ = decode_photograph(encoded).shape
    return PhotographVerdict(hashlib.sha256(encoded).digest(), (height, width), stored_sideways(encoded))
