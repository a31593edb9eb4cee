"""Photographs are found below a folder and read in order, past those that cannot be read."""

import os
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from facejobs.data.detection.photograph_files import find_photographs, read_ahead
from facejobs.data.errors import DataError


def write(path: Path, grey: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(simplejpeg.encode_jpeg(np.full((8, 8, 3), grey, np.uint8)))
    return path


def test_photographs_below_a_folder_in_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/z.JPEG", "a/y.png", "a/notes.txt", ".hidden.jpg", ".cache/c.jpg", "c/d/e.webp"):
        write(tmp_path / name)
    found = [path.relative_to(tmp_path).as_posix() for path in find_photographs(tmp_path)]
    assert found == ["a/y.png", "a/z.JPEG", "b.jpg", "c/d/e.webp"]


def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    assert find_photographs(write(tmp_path / ".photo")) == [tmp_path / ".photo"]


def test_a_place_without_photographs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no photograph in this folder or below it; looked for \.bmp, \.jpeg"):
        find_photographs(tmp_path)
    with pytest.raises(DataError, match="missing: no such photograph or folder"):
        find_photographs(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg: neither a photograph nor a folder"):
        find_photographs(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_every_photograph_is_read_once_and_in_order(tmp_path: Path, count: int) -> None:
    paths = [write(tmp_path / f"{number}.jpg", grey=20 * number) for number in range(count)]
    read = list(read_ahead(paths))
    assert [path for path, _ in read] == paths
    for number, (_, image) in enumerate(read):
        assert isinstance(image, np.ndarray)
        assert abs(int(image[4, 4, 0]) - 20 * number) < 3


def test_errors_come_in_the_place_of_the_photograph(tmp_path: Path) -> None:
    good = write(tmp_path / "good.jpg")
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(good.read_bytes()[:50])
    (_, first), (_, second), (_, third) = read_ahead([bad, good, tmp_path / "missing.jpg"])
    assert isinstance(first, DataError)
    assert str(bad) in str(first)
    assert isinstance(second, np.ndarray)
    assert isinstance(third, DataError)


def test_what_nobody_foresaw_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("facejobs.data.detection.photograph_files.read_photograph", fail)
    with pytest.raises(RuntimeError, match="unforeseen"):
        list(read_ahead([write(tmp_path / "a.jpg")]))
