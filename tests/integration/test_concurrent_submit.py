"""Two hundred submits at once, from several processes, share no version number."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from seaweedfs import SeaweedFS

from facejobs.jobs.version_index import list_versions
from facejobs.jobs.versions import open_version_store

PROCESSES, THREADS, EACH = 4, 10, 5
TOTAL = PROCESSES * THREADS * EACH

# Claims versions in threads, all processes from one moment on, and prints whose number it got.
SUBMITTER = """
import json, sys, threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock
from facejobs.jobs import submission
from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.versions import open_version_store

url, threads, each, name = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
store = open_version_store(url)
sys.stdin.readline()

def claim(number):
    owner = f"{name}-{number}"
    spec = JobSpec(name="job", command="true", outputs={"model": None}, parameters={"owner": owner})
    return owner, submission.claim(spec, store, "local", {}).number

# Git would be started two hundred times.
with mock.patch.object(submission, "gather_code", lambda folder: (CodeFacts(), b"")):
    with ThreadPoolExecutor(threads) as pool:
        print(json.dumps(list(pool.map(claim, range(threads * each)))))
"""


def start(url: str, name: str, environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SUBMITTER, url, str(THREADS), str(EACH), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def check(url: str, environment: dict[str, str]) -> None:
    processes = [start(url, f"p{number}", environment) for number in range(PROCESSES)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed = [pair for process in processes for pair in json.loads(process.communicate(timeout=300)[0])]
    assert all(process.returncode == 0 for process in processes)
    owners = Counter(number for _, number in claimed)
    assert sorted(owners) == list(range(1, TOTAL + 1))
    assert set(owners.values()) == {1}
    store = open_version_store(url)
    assert store.versions("job") == list(range(1, TOTAL + 1))
    # Each record is that of whoever was told the number, not of one who came later.
    listed = {item.number: item.parameters["owner"] for item in list_versions(store, "job").versions}
    assert listed == {number: owner for owner, number in claimed}


@pytest.fixture
def environment() -> dict[str, str]:
    return dict(os.environ)


def test_on_a_directory(tmp_path: Path, environment: dict[str, str]) -> None:
    check(str(tmp_path / "store"), environment)


def test_on_a_bucket(seaweedfs: SeaweedFS, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    check(f"{seaweedfs.make_bucket('concurrent')}/store", {**environment, **seaweedfs.environment})
