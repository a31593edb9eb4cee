"""Output appears whole or not at all, and what a killed process left does not stay."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from facejobs.data.fresh_output import fresh_directory

HOLDER = """
import sys, pathlib
from facejobs.data.fresh_output import fresh_directory
with fresh_directory(pathlib.Path(sys.argv[1])) as work:
    (work / "half").write_bytes(b"half")
    print(work.name, flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hold(target: Path) -> subprocess.Popen[str]:
    """A process that is writing `target` until its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_output_gets_the_rights_of_any_new_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with fresh_directory(tmp_path / "out") as work:
        (work / "file").write_text("x")
    assert names(tmp_path) == ["out", "plain"]
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_living_writer_is_left_alone_and_a_killed_ones_rest_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (tmp_path / ".other.partial-1").mkdir()
    with hold(target) as process:
        assert process.stdout is not None
        partial = process.stdout.readline().strip()
        with pytest.raises(KeyError), fresh_directory(target):
            raise KeyError
        assert (tmp_path / partial / "half").is_file()
        process.kill()
    assert names(tmp_path) == sorted([".other.partial-1", partial])
    with fresh_directory(target):
        pass
    assert names(tmp_path) == [".other.partial-1", "out"]


def test_leftovers_under_a_repeated_process_number_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".out.partial-{os.getpid()}").mkdir()
    with fresh_directory(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out"]


def test_errors_name_the_path_that_was_typed(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(FileNotFoundError) as named, fresh_directory(target) as work:
        (work / "a" / "b").write_text("x")
    assert named.value.filename == str(target / "a" / "b")
    with pytest.raises(OSError) as full, fresh_directory(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(target)
    with pytest.raises(FileNotFoundError) as foreign, fresh_directory(target):
        (tmp_path / "input").read_text()
    assert foreign.value.filename == str(tmp_path / "input")


@pytest.mark.parametrize("below", ["x", "x/y"])
def test_no_folder_below_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(NotADirectoryError, match="no folder can be made in a file") as refused,
        fresh_directory(tmp_path / "file" / below),
    ):
        pass
    assert refused.value.filename == str(tmp_path / "file")
