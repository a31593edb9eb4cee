"""Workers of one group, each in a thread of this process; what would end the process is only noted."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facejobs.storage.local import LocalStore
from facejobs.training.distributed import first_worker, other_worker
from facejobs.training.distributed.first_worker import FirstWorker
from facejobs.training.distributed.meeting import StoredMeeting
from facejobs.training.distributed.other_worker import OtherWorker

Group = tuple[FirstWorker, list[OtherWorker]]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Who would have ended the process, with which code and words."""
    ends: list[tuple[str, int, str]] = []

    def leaver(who: str) -> Callable[..., None]:
        def leave(code: int, message: str = "") -> None:
            ends.append((who, int(code), message))
            sys.exit()

        return leave

    monkeypatch.setattr(first_worker, "leave", leaver("first"))
    monkeypatch.setattr(other_worker, "leave", leaver("other"))
    monkeypatch.setattr(first_worker, "_GOODBYE_SECONDS", 0.3)
    return ends


@pytest.fixture
def gathered(tmp_path: Path, left) -> Iterator[Callable[..., Group]]:
    """Workers that have met. None of their threads may outlive the test: it would end the process for all others."""
    met: list[FirstWorker | OtherWorker] = []

    def gather(size: int = 2, hang_seconds: float = 30.0) -> Group:
        place = StoredMeeting(LocalStore(tmp_path / "store"), ())
        first = FirstWorker(size, hang_seconds)
        others = [OtherWorker(rank, size, hang_seconds) for rank in range(1, size)]
        with ThreadPoolExecutor(size) as pool:
            joining = [pool.submit(first.gather, place), *(pool.submit(other.join, place) for other in others)]
            for future in joining:
                future.result(timeout=20)
        met.extend((first, *others))
        return first, others

    yield gather
    for worker in met:
        worker.release()
        worker._ended.set()
