"""What training shows: on a terminal of any width, and in a log."""

import fcntl
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from facejobs.training import progress as module
from facejobs.training.progress import Progress

MEANS = {"loss": 1.5, "accuracy": 0.25, "images_per_second": 30.0}
WATCHED = f"""
import logging, time
from facejobs.cli.train import _LogLines
from facejobs.training.progress import Progress
logging.basicConfig(format="said %(message)s", handlers=[_LogLines()], level=logging.INFO)
with Progress(20, 0) as progress:
    for step in range(1, 21):
        progress.advance(step)
        progress.report(step, 0, 0.1, {MEANS})
        time.sleep(0.03)
    logging.info("before the measurement")
    with progress.measuring("lfw", 7701) as show:
        for done in range(100, 800, 100):
            show(done, 7701)
            time.sleep(0.15)
    logging.info("after the measurement")
"""


def shown_on_terminal(columns: int) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-c", WATCHED]
    with subprocess.Popen(command, stderr=theirs, env={**environment, "TERM": "xterm"}) as process:
        os.close(theirs)
        output = b""
        while True:
            try:
                output += os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0, output
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.decode())


@pytest.mark.parametrize("columns", [40, 100])
def test_step_bar_and_time_are_seen_and_log_lines_stand_alone(columns: int) -> None:
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", shown_on_terminal(columns))]
    bars = [line for line in lines if re.match(r" *20/20 ━{12} \d\d:\d\d epoch 1", line)]
    assert bars and all(len(line) <= columns for line in lines)
    assert any(re.match(r" *[1-7]00/7701 .{12} \d\d:\d\d measuring", line) for line in lines)
    assert {"said before the measurement", "said after the measurement"} <= set(lines)


def test_a_log_gets_a_line_now_and_then(monkeypatch, caplog) -> None:
    clock = iter(range(0, 1000, 8))
    monkeypatch.setattr(module.time, "monotonic", lambda: 1000 + next(clock))
    with caplog.at_level(logging.INFO), Progress(10, 0) as progress:
        for step in range(1, 8):
            progress.report(step, 0, 0.1, MEANS)
        with progress.measuring("lfw", 6) as show:
            for done in range(1, 7):
                show(done, 6)
    said = [record.getMessage().split("  ")[0] for record in caplog.records]
    assert said == [
        *("step 1/10", "step 4/10", "step 7/10"),
        *("measuring lfw: 3 of 6 images", "measuring lfw: 6 of 6 images"),
    ]
