"""The cases of gallery_crash_cases.py, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("gallery_crash_cases.py")


def test_killed_raced_or_short_of_disk_a_gallery_is_old_or_new() -> None:
    """They copy their process again and again, for which that of all tests has grown too large."""
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", CASES]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=CASES.parents[2], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
