"""A training that makes no progress shows where it is and ends, also where its main thread is blocked in C."""

import subprocess
import sys

import pytest

HANGS = """
import socket
from facejobs.training.distributed.group import Alone
group = Alone({seconds})
for step in range(3):
    group.enter("computing", step)
    group.progressed()
ours, theirs = socket.socketpair()
{then}
def blocked_for_ever():
    ours.recv(1)
blocked_for_ever()
"""


def run(seconds: float, then: str = "") -> "subprocess.CompletedProcess[str]":
    program = HANGS.format(seconds=seconds, then=then)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_where_it_hangs_is_shown_and_it_ends() -> None:
    ended = run(0.6)
    assert ended.returncode == 13
    assert "stacks of this process" in ended.stderr and "in blocked_for_ever" in ended.stderr
    assert "error: no step for 0.01 minutes: training hangs computing at step 2" in ended.stderr


@pytest.mark.parametrize("then", ["theirs.send(b'x')", "group.release(); theirs.close()"])
def test_what_does_not_hang_is_left_alone(then: str) -> None:
    ended = run(30, then)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_that_was_stopped_as_a_whole_does_not_hang() -> None:
    pause = """
import os, signal, subprocess, time
subprocess.Popen(["sh", "-c", f"sleep 3; kill -CONT {os.getpid()}"])
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(0.5)
theirs.send(b"x")
"""
    ended = run(2, pause)
    assert (ended.returncode, ended.stderr) == (0, "")
