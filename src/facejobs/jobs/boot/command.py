"""Runs the command of a task: its output into the log, a stop request passed on to it, and nothing of it left over."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread

from facejobs import tied_program
from facejobs.jobs.boot.stop import StopRequest
from facejobs.jobs.boot.task_log import TaskLog

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_LEFTOVER_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36


def run_command(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    task_log: TaskLog,
    stop: StopRequest,
    grace: float,
) -> int:
    """Run a command to its end; returns its exit code, 128 + n if signal n ended it.

    At a stop request it gets SIGTERM once, and SIGKILL after `grace` seconds or at a second request. It dies with
    this process. What it leaves in its process group is ended too. Call it from the main thread.
    """
    # Processes that the command leaves behind become children of this one, so that their end can be seen.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process = subprocess.Popen(
        [sys.executable, "-IS", tied_program.__file__, str(os.getpid()), *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    assert process.stdout is not None
    pump = Thread(target=task_log.pump, args=(process.stdout,), name="task log", daemon=True)
    pump.start()
    deadline = _wait(process, stop, grace)
    _end_group(process.pid, deadline)
    pump.join(timeout=_LEFTOVER_SECONDS)
    code = process.returncode
    return code if code >= 0 else 128 - code


def _wait(process: subprocess.Popen[bytes], stop: StopRequest, grace: float) -> float:
    """Wait for the command, passing on a stop request; returns when its grace ends, in monotonic seconds."""
    deadline: float | None = None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return deadline or time.monotonic() + _LEFTOVER_SECONDS
        if stop.reason is not None and deadline is None:
            deadline = time.monotonic() + grace
            log.info("%s: the command has %g s to save and end", stop.reason, grace)
            process.send_signal(signal.SIGTERM)
        elif deadline is not None and (stop.again or time.monotonic() > deadline):
            log.warning("the command is killed: %s", "asked again" if stop.again else f"still there after {grace:g} s")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            deadline = time.monotonic() + _LEFTOVER_SECONDS


def _end_group(group: int, deadline: float) -> None:
    """End what the command left behind: SIGTERM, SIGKILL at the deadline."""
    if not _group_lives(group):
        return
    log.info("processes that the command left behind are ended")
    _signal_group(group, signal.SIGTERM)
    while _group_lives(group) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    _signal_group(group, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
