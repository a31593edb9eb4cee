import errno
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facejobs.gallery import lock
from facejobs.gallery.changes import changing
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.lock import LOCK_NAME, locked


@pytest.fixture
def folder(enrol: Callable[..., Any], make_gallery: Callable[..., Any]) -> Path:
    gallery: Path = make_gallery([enrol("Ann")]).folder
    return gallery


def test_a_writer_waits_for_the_other(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with locked(tmp_path):
            order.append("second")

    with locked(tmp_path):
        other = threading.Thread(target=second)
        other.start()
        other.join(timeout=0.2)
        order.append("first")
    other.join(timeout=10)
    assert order == ["first", "second"]


def test_waiting_has_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    with locked(folder), pytest.raises(GalleryError, match="being changed by another process"), changing(folder):
        pass
    with changing(folder) as change:
        change.remove("Ann")


def test_a_file_system_without_locks_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(GalleryError, match="no locks"), changing(folder) as change:
        change.remove("Ann")


def test_a_failed_change_does_not_keep_the_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    for _ in range(2):
        with pytest.raises(GalleryError, match="Bo"), changing(folder) as change:
            change.remove("Bo")
    assert (folder / LOCK_NAME).stat().st_size == 0
