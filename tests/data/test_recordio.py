"""RecordIO: round trips, split records, damage, fuzzing, threads, fork, and agreement with MXNet."""

import multiprocessing
import struct
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.data.recordio import (
    MAGIC,
    MAGIC_BYTES,
    Damage,
    Record,
    RecordError,
    RecordReader,
    RecordWriter,
    encode_record,
)

# Pieces that make a random payload hold the magic often, at aligned and unaligned places.
PAYLOADS = st.lists(st.one_of(st.just(MAGIC_BYTES), st.binary(max_size=9)), max_size=12).map(b"".join)
FILE_PIECES = st.one_of(
    st.just(MAGIC_BYTES),
    st.binary(max_size=12),
    st.builds(
        lambda flag, length: struct.pack("<II", MAGIC, flag << 29 | length), st.integers(0, 7), st.integers(0, 16)
    ),
    PAYLOADS.map(encode_record),
)
ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)


def write(path: Path, payloads: list[bytes]) -> list[int]:
    with path.open("wb") as records:
        writer = RecordWriter(records, BytesIO())
        return [writer.write(key, payload) for key, payload in enumerate(payloads)]


def reader_of(folder: Path, content: bytes) -> RecordReader:
    path = folder / "a.rec"
    path.write_bytes(content)
    return RecordReader(path)


def test_one_record_has_the_bytes_of_the_format() -> None:
    assert encode_record(b"abcde").hex() == "0a23d7ce" + "05000000" + "6162636465" + "000000"


def test_split_record_has_the_bytes_of_the_format() -> None:
    encoded = encode_record(b"abcd" + MAGIC_BYTES + MAGIC_BYTES + b"ef")
    parts = [(1, b"abcd"), (2, b""), (3, b"ef\0\0")]
    lengths = [4, 0, 2]
    expected = b"".join(
        struct.pack("<II", MAGIC, flag << 29 | length) + data
        for (flag, data), length in zip(parts, lengths, strict=True)
    )
    assert encoded == expected


def test_unaligned_magic_is_not_split() -> None:
    assert struct.unpack_from("<II", encode_record(b"x" + MAGIC_BYTES)) == (MAGIC, 5)


@ON_DISK
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path: Path, payloads: list[bytes]) -> None:
    offsets = write(tmp_path / "a.rec", payloads)
    reader = RecordReader(tmp_path / "a.rec")
    assert [bytes(reader.read(offset)) for offset in offsets] == payloads
    scanned = list(reader.scan())
    assert [(record.offset, bytes(record.payload)) for record in scanned] == list(zip(offsets, payloads, strict=True))
    assert scanned[-1].end == reader.size


def test_index_lines_name_key_and_offset(tmp_path: Path) -> None:
    index = BytesIO()
    writer = RecordWriter(BytesIO(), index)
    writer.write(7, b"abc")
    writer.write(0, b"")
    assert index.getvalue() == b"7\t0\n0\t12\n"


@ON_DISK
@given(content=st.lists(FILE_PIECES, min_size=1, max_size=20).map(b"".join).filter(len))
def test_any_bytes_are_covered_by_records_and_damage(tmp_path: Path, content: bytes) -> None:
    reader = reader_of(tmp_path, content)
    at = 0
    for item in reader.scan():
        assert item.offset == at < item.end <= len(content)
        at = item.end
        if isinstance(item, Record):
            assert bytes(reader.read(item.offset)) == bytes(item.payload)
        else:
            with pytest.raises(RecordError):
                reader.read(item.offset)
    assert at == len(content)


@ON_DISK
@given(content=st.binary(min_size=1, max_size=80), offset=st.integers(-(2**70), 2**70) | st.integers(-8, 90))
def test_any_offset_reads_inside_the_file_or_is_refused(tmp_path: Path, content: bytes, offset: int) -> None:
    try:
        payload = reader_of(tmp_path, content).read(offset)
    except RecordError:
        return
    assert 0 <= offset <= offset + 8 + len(payload) <= len(content)


@ON_DISK
@given(data=st.data())
def test_scan_goes_on_after_damage(tmp_path: Path, data: st.DataObject) -> None:
    payloads = [bytes([number]) * 21 for number in range(6)]
    offsets = write(tmp_path / "a.rec", payloads)
    content = bytearray((tmp_path / "a.rec").read_bytes())
    victim = data.draw(st.integers(0, 5))
    content[offsets[victim]] ^= 0xFF
    items = list(reader_of(tmp_path, bytes(content)).scan())
    damaged = [item for item in items if isinstance(item, Damage)]
    assert [(item.offset, item.end) for item in damaged] == [(offsets[victim], offsets[victim] + 32)]
    assert [bytes(item.payload)[0] for item in items if isinstance(item, Record)] == [
        n for n in range(6) if n != victim
    ]


def test_length_that_runs_past_the_end_is_refused_and_scan_still_finds_the_rest(tmp_path: Path) -> None:
    content = struct.pack("<II", MAGIC, 1000) + b"12345678" + encode_record(b"whole")
    items = list(reader_of(tmp_path, content).scan())
    assert isinstance(items[0], Damage) and "ends at byte 32" in items[0].problem
    assert bytes(items[1].payload) == b"whole"


@pytest.mark.parametrize("cut", range(1, 24))
def test_truncation_anywhere_keeps_the_whole_records(tmp_path: Path, cut: int) -> None:
    content = encode_record(b"first") + encode_record(b"sec" + b"d" * 5 + b"ond" * 2)
    records = list(reader_of(tmp_path, content[:-cut]).scan())
    assert bytes(records[0].payload) == b"first"
    if len(records) > 1:
        assert isinstance(records[1], Damage) and records[1].offset == 16 and records[1].end == len(content) - cut
    with pytest.raises(RecordError, match="byte 16"):
        RecordReader(tmp_path / "a.rec").read(16)


@pytest.mark.parametrize(
    ("content", "offset", "problem"),
    [
        (encode_record(b"abcd"), 4, "no record starts here"),
        (encode_record(b"abcd"), 2, "multiple of 4"),
        (encode_record(b"abcd"), -4, "multiple of 4"),
        (encode_record(b"abcd"), 12, "the file ends at byte 12"),
        (struct.pack("<II", MAGIC, 5 << 29), 0, "part flag is 5"),
        (struct.pack("<II", MAGIC, 3 << 29), 0, "first part is missing"),
        (struct.pack("<II", MAGIC, 1 << 29) + encode_record(b""), 0, "lacks its next part at byte 8"),
        (struct.pack("<II", MAGIC, 1 << 29), 0, "the file ends at byte 8"),
    ],
)
def test_refusals_say_why(tmp_path: Path, content: bytes, offset: int, problem: str) -> None:
    with pytest.raises(RecordError, match=problem) as caught:
        reader_of(tmp_path, content).read(offset)
    assert caught.value.offset == offset and str(tmp_path) in str(caught.value)


def test_empty_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        reader_of(tmp_path, b"")
    with pytest.raises(DataError, match="no such file"):
        RecordReader(tmp_path / "absent.rec")


def test_payload_too_long_for_29_bits_is_refused() -> None:
    with pytest.raises(DataError, match="at most 536870911"):
        encode_record(memoryview(np.zeros(1 << 29, np.uint8)))


def test_unsplit_payload_is_a_view_of_the_map(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, encode_record(b"abcd"))
    assert reader.read(0).obj is reader.read(0).obj
    assert reader.read(0).readonly


def test_payload_outlives_its_reader(tmp_path: Path) -> None:
    payload = reader_of(tmp_path, encode_record(b"still here")).read(0)
    assert bytes(payload) == b"still here"


def test_threads_read_the_right_records(tmp_path: Path) -> None:
    payloads = [b"%d" % number + MAGIC_BYTES * (number % 3) for number in range(300)]
    offsets = write(tmp_path / "a.rec", payloads)
    reader = RecordReader(tmp_path / "a.rec")
    order = np.random.default_rng(0).integers(0, 300, 4000).tolist()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda number: bytes(reader.read(offsets[number])), order))
    assert read == [payloads[number] for number in order]


def test_reader_opened_before_a_fork_works_in_every_child(tmp_path: Path) -> None:
    payloads = [b"%d" % number for number in range(100)]
    offsets = write(tmp_path / "a.rec", payloads)
    reader = RecordReader(tmp_path / "a.rec")
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def child() -> None:
        results.put([bytes(reader.read(offset)) for offset in offsets])

    children = [context.Process(target=child) for _ in range(3)]
    for process in children:
        process.start()
    assert [results.get(timeout=20) for _ in children] == [payloads] * 3
    for process in children:
        process.join(20)
    assert bytes(reader.read(offsets[5])) == b"5"


def test_mxnet_reads_what_we_write(tmp_path: Path) -> None:
    recordio = pytest.importorskip("mxnet").recordio
    payloads = [b"", b"a", MAGIC_BYTES, b"abcd" + MAGIC_BYTES * 3 + b"x", b"x" + MAGIC_BYTES, bytes(1000)]
    with (tmp_path / "a.rec").open("wb") as records, (tmp_path / "a.idx").open("wb") as index:
        writer = RecordWriter(records, index)
        for key, payload in enumerate(payloads, 1):
            writer.write(key, payload)
    theirs = recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "r")
    assert [theirs.read_idx(key) for key in range(1, 7)] == payloads


def test_we_read_what_mxnet_writes(tmp_path: Path) -> None:
    recordio = pytest.importorskip("mxnet").recordio
    rng = np.random.default_rng(3)
    pieces = [MAGIC_BYTES, b"a", b"bcd", b"efgh"]
    payloads = [b"".join(pieces[k] for k in rng.integers(0, 4, rng.integers(1, 12))) for _ in range(200)]
    theirs = recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "w")
    for key, payload in enumerate(payloads):
        theirs.write_idx(key, payload)
    theirs.close()
    assert [bytes(record.payload) for record in RecordReader(tmp_path / "a.rec").scan()] == payloads
    assert (tmp_path / "a.rec").read_bytes() == b"".join(encode_record(payload) for payload in payloads)
