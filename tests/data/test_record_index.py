"""`.idx` files: every numbering, every malformed line, bounded memory."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facejobs.data import record_index
from facejobs.data.errors import DataError
from facejobs.data.record_index import open_index, read_index

ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)


def write(folder: Path, pairs: list[tuple[int, int]], end: str = "\n") -> Path:
    path = folder / "a.idx"
    path.write_bytes("".join(f"{key}\t{offset}{end}" for key, offset in pairs).encode())
    return path


def assert_same(path: Path, pairs: list[tuple[int, int]]) -> record_index.RecordIndex:
    index = open_index(path)
    assert len(index) == len(pairs)
    assert [index.key_at(rank) for rank in range(len(index))] == sorted(key for key, _ in pairs)
    assert [index.offset_of(key) for key, _ in pairs] == [offset for _, offset in pairs]
    for rank, key in enumerate(sorted(key for key, _ in pairs)):
        assert index.rank_of(key) == rank
    for absent in (-1, max(key for key, _ in pairs) + 1):
        assert index.rank_of(absent) is None
        with pytest.raises(DataError, match=f"no line for record {absent}"):
            index.offset_of(absent)
    return index


def numbered(first: int, count: int) -> list[tuple[int, int]]:
    return [(first + n, n * 5576) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("first", [0, 1, 5, 99_990, 2**24 - 3])
@pytest.mark.parametrize("zero_last", [False, True])
def test_rows_of_keys_need_only_a_sparse_table(tmp_path: Path, count: int, first: int, zero_last: bool) -> None:
    pairs = numbered(first, count)
    if zero_last and first:
        pairs.append((0, count * 5576))
    index = assert_same(write(tmp_path, pairs), pairs)
    assert type(index) is record_index._SequentialIndex


@pytest.mark.parametrize(
    "keys", [[5, 3, 9], [0, 1, 3], [*range(100), *range(101, 200)], [1, 2, 0, 3], [*range(199, -1, -1)], [2, 1, 0]]
)
def test_other_numberings_fall_back_to_arrays(tmp_path: Path, keys: list[int]) -> None:
    pairs = [(key, place * 8) for place, key in enumerate(keys)]
    index = assert_same(write(tmp_path, pairs), pairs)
    assert type(index) is record_index._ArrayIndex


def test_lines_swapped_between_two_probes_still_give_the_right_offsets(tmp_path: Path) -> None:
    pairs = numbered(1, 200)
    pairs[70], pairs[75] = pairs[75], pairs[70]
    assert_same(write(tmp_path, pairs), pairs)


def test_windows_line_ends_and_a_missing_last_one(tmp_path: Path) -> None:
    pairs = numbered(1, 300)
    assert_same(write(tmp_path, pairs, "\r\n"), pairs)
    path = write(tmp_path, pairs)
    path.write_bytes(path.read_bytes()[:-1])
    assert_same(path, pairs)
    shuffled = pairs[::-1]
    assert_same(write(tmp_path, shuffled, "\r\n"), shuffled)


def test_blocks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for zero_last in (False, True):
        pairs = numbered(1, 500) + [(0, 500 * 5576)] * zero_last
        path = write(tmp_path, pairs)
        for size in (23, 64, 101, 4096):
            monkeypatch.setattr(record_index, "_CHUNK_BYTES", size)
            index = assert_same(path, pairs)
            assert type(index) is record_index._SequentialIndex
            keys, offsets = read_index(path)
            assert list(zip(keys.tolist(), offsets.tolist(), strict=True)) == pairs


def test_table_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_index, "MAX_TABLE", 16)
    monkeypatch.setattr(record_index, "_CHUNK_BYTES", 700)
    pairs = [*numbered(1, 20_000), (0, 20_000 * 5576)]
    index = assert_same(write(tmp_path, pairs), pairs)
    assert isinstance(index, record_index._SequentialIndex) and len(index._table) <= 17


def test_zero_in_the_middle_at_a_block_end_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_index, "_CHUNK_BYTES", 12)
    assert_same(
        write(tmp_path, [(1, 0), (2, 8), (0, 16), (4, 24), (5, 32)]), [(1, 0), (2, 8), (0, 16), (4, 24), (5, 32)]
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"1\t0\n2\n3\t8\n", 2),
        (b"1\t0\nx\t4\n", 2),
        (b"1 0\n", 1),
        (b"1\t0\n\n", 2),
        (b"-1\t0\n", 1),
        (b"1\t1.5\n", 1),
        (b"1\t0\t7\n", 1),
        (b"\t5\n", 1),
        (b"1\t\n", 1),
        (b"1\t99999999999999999999999\n", 1),
        (b"\x00\xff\xfe", 1),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, text: bytes, line: int) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(text)
    with pytest.raises(DataError, match=f"line {line}: expected key<TAB>offset"):
        read_index(path)
    with pytest.raises(DataError):
        index = open_index(path)
        for rank in range(len(index)):
            index.offset_of(index.key_at(rank))


def test_key_on_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="record 2 has several lines"):
        open_index(write(tmp_path, [(1, 0), (2, 8), (2, 16)]))


def test_empty_and_missing_index_name_the_repair(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="facejobs data repair"):
        open_index(tmp_path / "a.idx")
    (tmp_path / "a.idx").touch()
    with pytest.raises(DataError, match=r"empty.*facejobs data repair"):
        open_index(tmp_path / "a.idx")


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_index, "_CHUNK_BYTES", 1000)
    (tmp_path / "a.idx").write_bytes(b"1" * 5000)
    with pytest.raises(DataError, match="never ends"):
        open_index(tmp_path / "a.idx")


LINES = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 6), st.integers(0, 40)).map(lambda pair: b"%d\t%d\n" % pair),
        st.binary(max_size=6),
        st.sampled_from([b"\n", b"\t", b"\r\n", b"0\t0", b"1\t4\n2\t8\n"]),
    ),
    max_size=8,
).map(b"".join)


@ON_DISK
@given(text=LINES)
@example(text=b"1\t0\n2\t1_0\n3\t0\n")
@example(text=b"1\t0\n2\n3\t0\n0\t5\n")
def test_any_bytes_give_what_a_plain_parser_gives_or_a_data_error(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(text)
    try:
        index = open_index(path)
        found = {key: index.offset_of(key) for key in map(index.key_at, range(len(index)))}
    except DataError:
        return
    lines = text.removesuffix(b"\n").split(b"\n")
    assert all(re.fullmatch(rb"\d+\t\d+\r*", line) for line in lines)
    assert found == {int(line.split(b"\t")[0]): int(line.split(b"\t")[1]) for line in lines}


def test_threads_look_up_the_right_offsets(tmp_path: Path) -> None:
    index = open_index(write(tmp_path, numbered(1, 5000)))
    keys = np.random.default_rng(0).integers(1, 5001, 20_000).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(index.offset_of, keys, chunksize=200)) == [(key - 1) * 5576 for key in keys]


def test_descriptor_is_closed_with_the_index(tmp_path: Path) -> None:
    path = write(tmp_path, numbered(1, 10))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        open_index(path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
