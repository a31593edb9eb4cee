"""SIGTERM as a wish: once is once, however often it is delivered; a later one is meant."""

import signal
import subprocess
import sys
import time

import pytest

from facejobs.training.stop_signal import StopRequestedError, StopSignal


def test_a_wish_delivered_twice_is_one() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignal() as stop:
        stop.check()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        with pytest.raises(StopRequestedError):
            stop.check()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_later_wish_ends_the_process_at_once() -> None:
    code = """
import signal, time
from facejobs.training.stop_signal import StopSignal
with StopSignal():
    signal.raise_signal(signal.SIGTERM)
    print("still here", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "still here\n"
    time.sleep(1.1)
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM
