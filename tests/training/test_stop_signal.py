"""SIGTERM as a wish: once is once, however often it is delivered; a later one is meant."""

import signal
import subprocess
import sys
import time

import pytest

from facejobs.training.stop_signal import StopRequestedError, StopSignal


def test_a_wish_delivered_twice_is_one() -> None:
    with StopSignal() as stop:
        stop.check()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        with pytest.raises(StopRequestedError):
            stop.check()


def test_without_a_wish_the_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignal():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_wish_repeated_while_the_process_ends_does_not_change_its_exit_code() -> None:
    code = """
import os, signal, sys
from facejobs.training.stop_signal import StopSignal

class LastObject:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)

sys.modules["last"] = LastObject()
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
with StopSignal():
    signal.raise_signal(signal.SIGTERM)
signal.raise_signal(signal.SIGTERM)
sys.exit(75)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 75


def test_a_later_wish_ends_the_process_at_once() -> None:
    code = """
import signal, time
from facejobs.training.stop_signal import StopSignal
StopSignal._ONE_WISH_SECONDS = 0.2
with StopSignal():
    signal.raise_signal(signal.SIGTERM)
    print("still here", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "still here\n"
    time.sleep(0.3)
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM
