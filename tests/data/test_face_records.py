"""FaceRecordFile: both layouts, wrong files, threads, fork, memory, and what MXNet writes."""

import multiprocessing
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.image_record import HEADER, pack_image_record, unpack_image_record
from facejobs.data.recordio import MAGIC_BYTES, RecordWriter, encode_record

PEOPLE = [[b"a1", b"a2", b"a3"], [b"b1"], [b"c1" + bytes(2) + MAGIC_BYTES + b"c", b"c2"]]
IMAGES = [image for person in PEOPLE for image in person]
LABELS = [0, 0, 0, 1, 2, 2]


def put(directory: Path, payloads: list[bytes], keys: list[int], declared: str = "3,112,112\n") -> Path:
    directory.mkdir(exist_ok=True)
    records, index = BytesIO(), BytesIO()
    writer = RecordWriter(records, index)
    for key, payload in zip(keys, payloads, strict=True):
        writer.write(key, payload)
    (directory / "a.rec").write_bytes(records.getvalue())
    (directory / "a.idx").write_bytes(index.getvalue())
    (directory / "property").write_text(declared)
    return directory


def everything(records: FaceRecordFile) -> list[tuple[int, int, bytes]]:
    found = [records.image(position) for position in range(len(records))]
    assert [records.key_at(position) for position in range(len(records))] == [record.key for record in found]
    assert [records.position_of(record.key) for record in found] == list(range(len(records)))
    return [(record.key, record.label, bytes(record.image)) for record in found]


@pytest.mark.parametrize("identity_records", [True, False])
def test_images_of_both_layouts(write_records, identity_records: bool) -> None:
    records = FaceRecordFile.open(write_records(PEOPLE, identity_records))
    first = 1 if identity_records else 0
    assert everything(records) == list(zip(range(first, first + 6), LABELS, IMAGES, strict=True))
    assert (records.num_classes, records.image_size) == (3, (112, 112))
    assert records.path.name == "a.rec"
    for position in (-1, 6):
        with pytest.raises(IndexError):
            records.image(position)
    assert records.position_of(7) is None and (not identity_records or records.position_of(0) is None)


def test_offset_is_that_of_the_record(write_records) -> None:
    records = FaceRecordFile.open(write_records(PEOPLE))
    content = records.path.read_bytes()
    for position in range(6):
        assert content[records.image(position).offset :][:4] == MAGIC_BYTES


def test_record_0_may_be_the_first_or_be_missing(tmp_path: Path) -> None:
    images = [pack_image_record(float(label), label + 1, b"x%d" % label) for label in range(3)]
    identities = [pack_image_record((float(k), float(k + 1)), k + 3) for k in range(1, 4)]
    header = pack_image_record((4.0, 7.0), 0)
    expected = [(1, 0, b"x0"), (2, 1, b"x1"), (3, 2, b"x2")]
    for keys, payloads in (
        ([*range(1, 7), 0], [*images, *identities, header]),
        ([*range(7)], [header, *images, *identities]),
        ([*range(1, 7)], [*images, *identities]),
        ([0, *range(1, 4)], [header, *images]),
    ):
        assert everything(FaceRecordFile.open(put(tmp_path / "d", payloads, keys))) == expected


def test_ranges_rounded_to_float32_are_not_believed(tmp_path: Path) -> None:
    """Keys above 2**24: record 0 claims an even first identity key where the true one is odd."""
    base = 2**24
    keys = [base + 1, base + 2, base + 3, base + 4, 0]
    payloads = [
        pack_image_record(0.0, keys[0], b"a"),
        pack_image_record(1.0, keys[1], b"b"),
        pack_image_record((float(base + 1), float(base + 2)), keys[2]),
        pack_image_record((float(base + 2), float(base + 3)), keys[3]),
        pack_image_record((float(base + 3), float(base + 5)), 0),
    ]
    claimed = unpack_image_record(memoryview(payloads[-1])).labels
    assert claimed[0] != base + 3, "the claim is rounded, or this test shows nothing"
    records = FaceRecordFile.open(put(tmp_path / "d", payloads, keys))
    assert everything(records) == [(base + 1, 0, b"a"), (base + 2, 1, b"b")]


def test_label_array_gives_its_first_label(tmp_path: Path) -> None:
    payload = pack_image_record((2.0, 1.0, 0.5), 0, b"jpeg")
    records = FaceRecordFile.open(put(tmp_path / "d", [payload], [0]))
    assert everything(records) == [(0, 2, b"jpeg")]


@pytest.mark.parametrize("label", [float("nan"), float("inf"), 1.5])
def test_label_that_is_no_whole_number_names_the_record(tmp_path: Path, label: float) -> None:
    payloads = [pack_image_record(0.0, 0, b"fine"), pack_image_record(label, 1, b"odd")]
    records = FaceRecordFile.open(put(tmp_path / "d", payloads, [0, 1]))
    assert records.image(0).label == 0
    with pytest.raises(DataError, match=r"record 1 at byte 36: the label .* is no whole number"):
        records.image(1)


def test_record_too_short_for_its_header_names_the_record(tmp_path: Path) -> None:
    payloads = [pack_image_record(0.0, 0, b"fine"), b"tiny", HEADER.pack(9, 0.0, 2, 0), pack_image_record(0.0, 3, b"f")]
    records = FaceRecordFile.open(put(tmp_path / "d", payloads, [0, 1, 2, 3]))
    with pytest.raises(DataError, match="record 1 at byte 36"):
        records.image(1)
    with pytest.raises(DataError, match=r"record 2 .* 9 labels"):
        records.image(2)


def test_wrong_offset_in_the_index_names_record_and_byte(write_records) -> None:
    directory = write_records(PEOPLE)
    index = directory / "a.idx"
    lines = index.read_text().splitlines()
    lines[2] = "3\t44"
    index.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="record 3 at byte 44: no record starts here"):
        FaceRecordFile.open(directory).image(2)


@pytest.mark.parametrize("identity_records", [True, False])
def test_truncated_records_are_refused_at_once(write_records, identity_records: bool) -> None:
    directory = write_records(PEOPLE, identity_records)
    content = (directory / "a.rec").read_bytes()
    (directory / "a.rec").write_bytes(content[:-5])
    with pytest.raises(DataError, match="facejobs data check"):
        FaceRecordFile.open(directory)


@pytest.mark.parametrize("absent", ["a.rec", "a.idx", "property"])
def test_missing_file_is_named(write_records, absent: str) -> None:
    directory = write_records(PEOPLE)
    (directory / absent).unlink()
    with pytest.raises(DataError, match=absent if absent != "a.rec" else "no .rec file"):
        FaceRecordFile.open(directory)


def test_wrong_directories_are_named(write_records, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such directory"):
        FaceRecordFile.open(tmp_path / "absent")
    directory = write_records(PEOPLE)
    with pytest.raises(DataError, match="is a file, not a directory"):
        FaceRecordFile.open(directory / "a.rec")
    (directory / "b.rec").touch()
    with pytest.raises(DataError, match=r"2 \.rec files \(a\.rec, b\.rec\)"):
        FaceRecordFile.open(directory)


def test_file_without_an_image_is_refused(write_records) -> None:
    with pytest.raises(DataError, match="no image record"):
        FaceRecordFile.open(write_records([[]]))


def test_threads_and_forked_children_read_the_right_images(write_records) -> None:
    people = [[b"%d-%d" % (label, number) for number in range(40)] for label in range(20)]
    records = FaceRecordFile.open(write_records(people))
    expected = [(label, image) for label, images in enumerate(people) for image in images]

    def read(position: int) -> tuple[int, bytes]:
        record = records.image(position)
        return record.label, bytes(record.image)

    order = np.random.default_rng(0).integers(0, 800, 5000).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, order, chunksize=50)) == [expected[position] for position in order]
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [
        context.Process(target=lambda: results.put([read(position) for position in range(800)])) for _ in range(2)
    ]
    for child in children:
        child.start()
    assert [results.get(timeout=30) for _ in children] == [expected] * 2
    for child in children:
        child.join(30)


FILES = st.fixed_dictionaries(
    {
        "a.rec": st.lists(
            st.one_of(
                st.binary(max_size=40),
                st.builds(
                    lambda flag, label, rest: encode_record(HEADER.pack(flag, label, 1, 0) + rest),
                    st.integers(0, 3),
                    st.floats(width=32),
                    st.binary(max_size=12),
                ),
            ),
            max_size=5,
        ).map(b"".join),
        "a.idx": st.one_of(
            st.binary(max_size=30),
            st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200)), max_size=6).map(
                lambda rows: b"".join(b"%d\t%d\n" % row for row in rows)
            ),
            st.just(b"0\t0\n1\t36\n"),
        ),
        "property": st.one_of(st.just(b"3,112,112\n"), st.binary(max_size=20)),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=250)
@given(files=FILES)
def test_arbitrary_files_give_images_or_data_errors(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    try:
        records = FaceRecordFile.open(tmp_path)
    except DataError:
        return
    for position in range(len(records)):
        try:
            record = records.image(position)
        except DataError:
            continue
        assert bytes(record.image) in files["a.rec"].replace(MAGIC_BYTES, b"") + files["a.rec"]


_MEASURE = """
import sys, time
from pathlib import Path
from facejobs.data.face_records import FaceRecordFile
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096
FaceRecordFile.open(Path(sys.argv[2]))
before = resident()
records = FaceRecordFile.open(Path(sys.argv[1]))
print(resident() - before, len(records))
"""


def write_tiny(directory: Path, images: int) -> Path:
    """Header-only records of 32 bytes each, keys 0..images-1."""
    directory.mkdir()
    block = np.zeros(images, [("part", "<u4", 2), ("flag", "<u4"), ("label", "<f4"), ("id", "<u8"), ("id2", "<u8")])
    block["part"] = struct.unpack("<II", encode_record(bytes(24))[:8])
    (directory / "a.rec").write_bytes(block.tobytes())
    (directory / "a.idx").write_text("".join(f"{key}\t{key * 32}\n" for key in range(images)))
    (directory / "property").write_text("1,112,112\n")
    return directory


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    small, large = write_tiny(tmp_path / "small", 30_000), write_tiny(tmp_path / "large", 600_000)
    added = []
    for directory, images in ((small, 30_000), (large, 600_000)):
        command = [sys.executable, "-c", _MEASURE, str(directory), str(small)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        assert int(output[1]) == images
        added.append(int(output[0]))
    assert added[1] - added[0] < 4 * 2**20, "the index text alone is 9 MiB, as Python objects it would be over 60"


def test_mxnet_image_records_read_the_same(tmp_path: Path) -> None:
    recordio = pytest.importorskip("mxnet").recordio
    directory = tmp_path / "d"
    directory.mkdir()
    theirs = recordio.MXIndexedRecordIO(str(directory / "a.idx"), str(directory / "a.rec"), "w")
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    packed = [
        recordio.pack(recordio.IRHeader(0, 3.0, 0, 0), b"bytes"),
        recordio.pack(recordio.IRHeader(0, [5.0, 7.0], 1, 0), b"labels"),
        recordio.pack_img(recordio.IRHeader(0, 6.0, 2, 0), image, quality=90, img_fmt=".jpg"),
    ]
    for key, payload in enumerate(packed):
        theirs.write_idx(key, payload)
    theirs.close()
    (directory / "property").write_text("9,112,112\n")
    found = everything(FaceRecordFile.open(directory))
    assert [(key, label) for key, label, _ in found] == [(0, 3), (1, 5), (2, 6)]
    assert [image for _, _, image in found] == [recordio.unpack(payload)[1] for payload in packed]


def test_mxnet_unpacks_what_we_pack(write_records) -> None:
    recordio = pytest.importorskip("mxnet").recordio
    directory = write_records(PEOPLE)
    theirs = recordio.MXIndexedRecordIO(str(directory / "a.idx"), str(directory / "a.rec"), "r")
    for key, (label, image) in enumerate(zip(LABELS, IMAGES, strict=True), 1):
        header, content = recordio.unpack(theirs.read_idx(key))
        assert (header.label, header.id, content) == (label, key, image)
    header, content = recordio.unpack(theirs.read_idx(0))
    assert (header.flag, header.label.tolist(), content) == (2, [7.0, 10.0], b"")


@pytest.mark.shared_data
def test_real_celebrity_records(shared_data: Path) -> None:
    records = FaceRecordFile.open(shared_data / "recognition_train_data")
    assert (len(records), records.num_classes, records.image_size) == (4274, 214, (112, 112))
    labels = np.array([records.image(position).label for position in range(len(records))])
    counts = np.bincount(labels)
    assert (len(counts), counts.min(), counts.max()) == (214, 7, 26)
    assert records.key_at(0) == 1 and records.key_at(4273) == 4274
    assert bytes(records.image(4273).image[:2]) == b"\xff\xd8"
