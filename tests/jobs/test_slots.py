"""The queue for slots and GPUs: first come, first served, and the dead hold nothing."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from facejobs.jobs.backends import slots
from facejobs.jobs.backends.slots import Held, Pool, QueueLeftError
from facejobs.jobs.errors import JobError

HOLD = """
import sys, time
from pathlib import Path
from facejobs.jobs.backends.slots import Pool
pool = Pool("slots", int(sys.argv[2]), Path(sys.argv[1]))
with pool.wait(pool.join(), 1, lambda: False, lambda before: None) as held:
    print("held", *held.numbers, flush=True)
    time.sleep(60)
"""


def never() -> bool:
    return False


def silent(before: int) -> None:
    assert before >= 0


def wait(pool: Pool, wanted: int, left: Callable[[], bool] = never, position: Callable[[int], None] = silent) -> Held:
    return pool.wait(pool.join(), wanted, left, position)


def holder(folder: Path, total: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, str(total)], stdout=subprocess.PIPE, text=True
    )  # fmt: skip


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_gets_numbers_of_its_own(tmp_path: Path) -> None:
    pool = Pool("GPUs", 4, tmp_path)
    with wait(pool, 2) as first, wait(pool, 2) as second:
        assert (first.numbers, second.numbers) == ([0, 1], [2, 3])
    with wait(pool, 4) as everything:
        assert everything.numbers == [0, 1, 2, 3]


def test_what_will_never_be_free_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="asks for 3 GPUs; this machine has 2"):
        wait(Pool("GPUs", 2, tmp_path), 3)


def test_a_holder_that_is_killed_frees_its_slot(tmp_path: Path) -> None:
    with holder(tmp_path, 1) as process:
        assert first_line(process) == "held 0"
        with holder(tmp_path, 1) as waiting:
            time.sleep(0.5)
            process.send_signal(signal.SIGKILL)
            assert first_line(waiting) == "held 0"
            waiting.kill()


def test_first_come_first_served_also_past_one_who_died_waiting(tmp_path: Path) -> None:
    pool, order = Pool("slots", 1, tmp_path), []

    def job(name: str) -> None:
        with wait(pool, 1):
            order.append(name)
            time.sleep(0.05)

    with wait(pool, 1):
        with holder(tmp_path, 1) as dead:
            while not list((tmp_path / "slots").glob("*.ticket")):
                time.sleep(0.02)
            threads = []
            for name in "abcd":
                threads.append(Thread(target=job, args=(name,)))
                threads[-1].start()
                while len(list((tmp_path / "slots").glob("*.ticket"))) < len(threads) + 1:
                    time.sleep(0.02)
            dead.kill()
        time.sleep(0.5)
        assert order == []
    for thread in threads:
        thread.join(timeout=20)
    assert order == list("abcd")
    assert list((tmp_path / "slots").glob("*.ticket")) == []


def test_one_who_is_asked_to_stop_leaves_the_queue(tmp_path: Path) -> None:
    pool, told = Pool("slots", 1, tmp_path), []
    with wait(pool, 1):
        with pytest.raises(QueueLeftError):
            wait(pool, 1, lambda: bool(told), told.append)
        assert told == [0]
        assert list((tmp_path / "slots").glob("*.ticket")) == []


def test_one_whose_queue_is_removed_does_not_wait_for_ever(tmp_path: Path) -> None:
    pool = Pool("slots", 1, tmp_path)

    def remove(before: int) -> None:
        shutil.rmtree(tmp_path)

    with wait(pool, 1), pytest.raises(JobError, match="was removed while it was waiting"):
        wait(pool, 1, position=remove)


def test_counts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(slots.SLOTS, raising=False)
    assert slots.slot_count() == 1
    monkeypatch.setenv(slots.SLOTS, "3")
    monkeypatch.setenv(slots.GPUS, "8")
    assert (slots.slot_count(), slots.gpu_count()) == (3, 8)
    monkeypatch.setenv(slots.GPUS, "all")
    with pytest.raises(JobError, match="FACEJOBS_GPUS"):
        slots.gpu_count()


def test_gpus_are_those_that_nvidia_smi_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    program.chmod(0o755)
    monkeypatch.delenv(slots.GPUS, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert slots.gpu_count() == 2
    program.write_text("#!/bin/sh\necho 'no driver' >&2; exit 9\n")
    assert slots.gpu_count() == 0
