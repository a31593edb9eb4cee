"""What a backend and the first task of a job tell each other on the task's machine, in the folder `FACEJOBS_CONTROL`.

The backend writes `stop` before it sends SIGTERM: a line that says why (`StopCause`), a line with the exit code of the
task that failed or nothing, and a line for people. The task writes `end`: the state that it recorded. Where that is
PENDING the backend starts it again.
"""

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from facejobs.jobs.status import State


class StopCause(StrEnum):
    """Why a backend stops a task."""

    TIME_LIMIT = "time_limit"
    REQUESTED = "requested"
    TASK_FAILED = "task_failed"


@dataclass(frozen=True)
class StopOrder:
    """What the backend says of a stop: the cause, the exit code of another task that failed, and words for people."""

    cause: StopCause
    code: int | None
    reason: str


class Control:
    """The folder, which the backend has made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stop_order(self) -> StopOrder | None:
        """Why the task is stopped; None where the backend did not stop it, so the cluster did."""
        try:
            cause, code, reason, *_ = (self._folder / "stop").read_text(encoding="utf-8", errors="replace").split("\n")
            return StopOrder(StopCause(cause), int(code) if code else None, reason)
        except (OSError, ValueError):
            return None

    def tell_end(self, state: State) -> None:
        """Say which state was recorded; a backend that cannot be told finds out by itself."""
        with contextlib.suppress(OSError):
            (self._folder / "end").write_text(f"{state}\n", encoding="utf-8")
