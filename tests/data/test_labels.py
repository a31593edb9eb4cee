"""`.lst` files in both dialects."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.data.labels import ListEntry, list_dialect, read_list


def read(folder: Path, content: bytes) -> list[ListEntry]:
    (folder / "a.lst").write_bytes(content)
    return list(read_list(folder / "a.lst"))


def test_im2rec_dialect_takes_key_and_first_label(tmp_path: Path) -> None:
    entries = read(tmp_path, b"5\t2.000000\tann/1.jpg\n9\t3\t0.5\t7\tbob/2 3.jpg\n")
    assert entries == [ListEntry(1, 5, 2.0, "ann/1.jpg"), ListEntry(2, 9, 3.0, "bob/2 3.jpg")]


def test_insightface_dialect_counts_its_lines(tmp_path: Path) -> None:
    entries = read(tmp_path, b"1\tann/1.jpg\t0\r\n\r\n0\tbob/2.jpg\t1\t4.5\t6\t7\t8\n")
    assert entries == [ListEntry(1, 1, 0.0, "ann/1.jpg"), ListEntry(3, 2, 1.0, "bob/2.jpg")]


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        (b"0\t1\ta.jpg\n", "im2rec"),
        (b"1\ta.jpg\t1\n", "insightface"),
        (b"1\t17\t0\n1\t18\t0\n", "insightface"),
        (b"0\t17\t0\n1\t18\t0\n", "im2rec"),
        (b"1\t17\t0\n1\tperson/x\t0\n", "insightface"),
        (b"", "im2rec"),
    ],
)
def test_dialect(tmp_path: Path, content: bytes, dialect: str) -> None:
    (tmp_path / "a.lst").write_bytes(content)
    assert list_dialect(tmp_path / "a.lst") == dialect


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"0\t1\ta.jpg\n1\t2\n", "line 2: expected key<TAB>label<TAB>path"),
        (b"1\ta.jpg\t1\n1\ta.jpg\tann\n", "line 2: expected 1<TAB>path<TAB>label"),
        (b"0\t1\ta.jpg\n1.5\t2\tb.jpg\n", "line 2"),
        (b"0\t1\ta.jpg\n-1\t2\tb.jpg\n", "line 2"),
        (b"0\tnan\ta.jpg\n", "line 1"),
        (b"just words\n", "line 1"),
        (b"0\t1\t" + b"a" * 70000, "line 1 is longer than"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read(tmp_path, content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60) | st.text("01\t\n.ae-", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    try:
        entries = read(tmp_path, content)
    except DataError:
        return
    assert all(entry.key >= 0 and entry.line >= 1 for entry in entries)


@pytest.mark.shared_data
def test_real_list(shared_data: Path) -> None:
    path = shared_data / "recognition_train_data" / "cele.lst"
    entries = list(read_list(path))
    assert list_dialect(path) == "insightface"
    assert [entry.key for entry in entries] == list(range(1, 4275))
    assert {entry.label for entry in entries} == set(range(214))
