"""Processes of one job on this machine, found by the work folder in their environment."""

import contextlib
import os
import signal
import time
from pathlib import Path

from facejobs.storage.environment import WORK

_WAIT_SECONDS = 10.0


def processes_of(work: Path) -> list[int]:
    """Numbers of the living processes whose environment names this work folder; never this one or its parents."""
    mark = b"\0" + f"{WORK}={work}".encode() + b"\0"
    relatives = _ancestors()
    return [pid for pid in _all() if pid not in relatives and mark in b"\0" + _environment(pid)]


def kill_processes_of(work: Path) -> int:
    """Kill them, and what they start meanwhile; returns how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + _WAIT_SECONDS
    while (found := processes_of(work)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.05)
    return len(killed)


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environment(pid: int) -> bytes:
    """The environment a process was started with; empty for a dead one and for those of other users."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _ancestors() -> set[int]:
    pid, found = os.getpid(), set[int]()
    while pid > 0:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found
