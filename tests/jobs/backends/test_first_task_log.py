"""The log of a version as it grows, line by line, until the version has ended."""

from pathlib import Path

from facejobs.jobs.backends.first_task_log import LOG, log_lines, stored_log
from facejobs.storage.local import LocalStore


def test_lines_come_whole_and_none_is_lost_at_the_end() -> None:
    parts = [b"one\ntw", b"", b"o\n\xff", b"last"]
    states = iter([False, False, False, True])
    log = b""

    def read(start: int) -> bytes:
        nonlocal log
        log += parts.pop(0)
        return log[start:]

    assert list(log_lines(read, lambda: next(states), follow=True, pause=0)) == ["one", "two", "\ufffdlast"]


def test_without_following_nobody_is_asked_whether_it_has_ended(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    def lines() -> list[str]:
        return list(log_lines(lambda start: stored_log(store, start), lambda: 1 / 0 > 0, follow=False, pause=0))

    assert lines() == []
    store.write(LOG, b"one\n\ntwo\n")
    assert lines() == ["one", "", "two"] and stored_log(store, 5) == b"two\n"
