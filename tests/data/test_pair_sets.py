"""Training and evaluation find the same verification sets."""

import errno
import os
from pathlib import Path

import pytest

from facejobs.data.errors import DataError
from facejobs.data.pair_sets import find_pair_sets, sets_around


def bin_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def pairs_folder(path: Path) -> Path:
    return bin_file(path / "pairs.txt").parent


def test_a_set_is_itself(tmp_path: Path) -> None:
    lfw, cfp = pairs_folder(tmp_path / "lfw"), bin_file(tmp_path / "cfp.bin")
    assert (find_pair_sets(lfw), find_pair_sets(cfp)) == ([lfw], [cfp])


def test_sets_of_both_kinds_are_found_in_every_place(tmp_path: Path) -> None:
    data = tmp_path / "db"
    expected = []
    for number, place in enumerate((data, data / "verification", tmp_path / "verification")):
        expected += [bin_file(place / f"{number}b.bin"), bin_file(place / f"{number}c.bin")]
        expected.append(pairs_folder(place / f"{number}a"))
    bin_file(data / "cele.rec")
    assert sets_around(data) == find_pair_sets(data) == expected


def test_a_folder_of_sets_lists_each_once(tmp_path: Path) -> None:
    lfw = pairs_folder(tmp_path / "verification" / "lfw")
    assert find_pair_sets(tmp_path / "verification") == [lfw]


def test_nothing_found_is_said_by_evaluation_and_borne_by_training(tmp_path: Path) -> None:
    (tmp_path / "folder.bin").mkdir()
    assert sets_around(tmp_path) == []
    with pytest.raises(DataError, match=r"neither pairs\.txt nor a \.bin file"):
        find_pair_sets(tmp_path)


@pytest.mark.parametrize("unreadable", ["data", "data/verification", "verification"])
def test_a_folder_that_may_not_be_listed_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    data = tmp_path / "data"
    for place in (data, data / "verification", tmp_path / "verification"):
        bin_file(place / "lfw.bin")
    refuse_listing(tmp_path / unreadable, monkeypatch)
    for find in (sets_around, find_pair_sets):
        with pytest.raises(DataError, match=f"{tmp_path / unreadable}: permission denied"):
            find(data)


def refuse_listing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def listdir(path: Path) -> list[str]:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return allowed(path)

    allowed = os.listdir
    monkeypatch.setattr(os, "listdir", listdir)
