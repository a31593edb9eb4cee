"""Rebuilding an `.idx`."""

import shutil
from pathlib import Path

import pytest

from facejobs.data.errors import DataError, OutputExistsError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.image_record import pack_image_record
from facejobs.data.recordio import encode_record
from facejobs.data.repair import RepairReport, repair_index

PEOPLE = [[b"a1", b"a2"], [b"b1"], [b"c1", b"c2", b"c3"]]


def repair(directory: Path) -> RepairReport:
    return repair_index(directory, lambda done, total: None)


@pytest.mark.parametrize("identity_records", [True, False])
def test_lost_index_comes_back_as_it_was(write_records, identity_records: bool) -> None:
    directory = write_records(PEOPLE, identity_records)
    index = directory / "a.idx"
    original = index.read_bytes()
    index.unlink()
    report = repair(directory)
    assert index.read_bytes() == original
    assert (report.backup, report.changed, report.numbered_by_ids, report.damage) == (None, True, True, [])
    assert (report.records, report.identity_records) == ((10, 4) if identity_records else (6, 0))


def test_wrong_index_is_kept_beside_the_new_one(write_records) -> None:
    directory = write_records(PEOPLE)
    index = directory / "a.idx"
    original = index.read_bytes()
    index.write_bytes(b"1\t4\n")
    report = repair(directory)
    assert report.backup == directory / "a.idx.bak"
    assert report.backup.read_bytes() == b"1\t4\n"
    assert index.read_bytes() == original
    assert sorted(path.name for path in directory.iterdir()) == ["a.idx", "a.idx.bak", "a.rec", "property"]


def test_right_index_is_left_alone(write_records) -> None:
    directory = write_records(PEOPLE)
    before = (directory / "a.idx").stat().st_mtime_ns
    assert not repair(directory).changed
    assert (directory / "a.idx").stat().st_mtime_ns == before
    assert not (directory / "a.idx.bak").exists()


def test_earlier_backup_is_never_overwritten(write_records) -> None:
    directory = write_records(PEOPLE)
    (directory / "a.idx").write_bytes(b"1\t4\n")
    (directory / "a.idx.bak").write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match=r"a\.idx\.bak"):
        repair(directory)
    assert (directory / "a.idx.bak").read_bytes() == b"precious"
    assert (directory / "a.idx").read_bytes() == b"1\t4\n"
    assert len(list(directory.iterdir())) == 4


@pytest.mark.parametrize("identity_records", [True, False])
@pytest.mark.parametrize("record_id", [0, 7])
def test_records_without_ids_are_numbered_by_position(tmp_path: Path, identity_records: bool, record_id: int) -> None:
    payloads = [pack_image_record(float(label), record_id, b"x%d" % label) for label in range(3)]
    keys = [0, 1, 2]
    if identity_records:
        payloads += [pack_image_record((float(k), float(k + 1)), record_id) for k in range(1, 4)]
        payloads.append(pack_image_record((4.0, 7.0), record_id))
        keys = [1, 2, 3, 4, 5, 6, 0]
    content = [encode_record(payload) for payload in payloads]
    (tmp_path / "a.rec").write_bytes(b"".join(content))
    (tmp_path / "property").write_text("3,112,112\n")
    assert not repair(tmp_path).numbered_by_ids
    offsets = [sum(map(len, content[:n])) for n in range(len(content))]
    expected = "".join(f"{key}\t{offset}\n" for key, offset in zip(keys, offsets, strict=True))
    assert (tmp_path / "a.idx").read_text() == expected
    records = FaceRecordFile.open(tmp_path)
    assert [records.image(n).label for n in range(len(records))] == [0, 1, 2]


def test_truncated_file_becomes_usable_with_its_whole_images(write_records) -> None:
    directory = write_records(PEOPLE)
    content = (directory / "a.rec").read_bytes()
    last = FaceRecordFile.open(directory).image(5).offset
    (directory / "a.rec").write_bytes(content[: last + 10])
    report = repair(directory)
    assert report.records == 5 and [damage.offset for damage in report.damage] == [last]
    records = FaceRecordFile.open(directory)
    assert [bytes(records.image(n).image) for n in range(len(records))] == [b"a1", b"a2", b"b1", b"c1", b"c2"]


def test_damage_in_the_middle_costs_only_the_records_it_hit(write_records) -> None:
    directory = write_records(PEOPLE)
    at = FaceRecordFile.open(directory).image(2).offset
    content = bytearray((directory / "a.rec").read_bytes())
    content[at : at + 4] = b"oops"
    (directory / "a.rec").write_bytes(content)
    report = repair(directory)
    assert report.records == 9 and len(report.damage) == 1
    records = FaceRecordFile.open(directory)
    found = [(records.image(n).key, bytes(records.image(n).image)) for n in range(len(records))]
    assert found == [(1, b"a1"), (2, b"a2"), (4, b"c1"), (5, b"c2"), (6, b"c3")]


@pytest.mark.parametrize("victim", [1, 3])
def test_damaged_header_does_not_change_any_number(write_records, victim: int) -> None:
    """Zeros over a header make its id 0, which is record 0's."""
    directory = write_records(PEOPLE)
    original = (directory / "a.idx").read_bytes()
    at = FaceRecordFile.open(directory).image(victim).offset
    content = bytearray((directory / "a.rec").read_bytes())
    content[at + 8 : at + 32] = bytes(24)
    (directory / "a.rec").write_bytes(content)
    assert not repair(directory).changed
    (directory / "a.idx").unlink()
    assert repair(directory).numbered_by_ids
    assert (directory / "a.idx").read_bytes() == original


def test_file_without_any_record_is_refused_and_the_index_kept(tmp_path: Path) -> None:
    (tmp_path / "a.rec").write_bytes(b"this is no record file")
    (tmp_path / "a.idx").write_bytes(b"1\t0\n")
    with pytest.raises(DataError, match="no whole RecordIO record"):
        repair(tmp_path)
    assert (tmp_path / "a.idx").read_bytes() == b"1\t0\n"


def test_failed_write_leaves_the_old_index(write_records, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = write_records(PEOPLE)
    (directory / "a.idx").write_bytes(b"1\t4\n")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facejobs.data.repair.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        repair(directory)
    assert sorted(path.name for path in directory.iterdir()) == ["a.idx", "a.rec", "property"]
    assert (directory / "a.idx").read_bytes() == b"1\t4\n"


def test_mxnet_index_comes_back_as_it_was(tmp_path: Path) -> None:
    recordio = pytest.importorskip("mxnet").recordio
    theirs = recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "w")
    for key in (4, 2, 9):
        theirs.write_idx(key, recordio.pack(recordio.IRHeader(0, 1.0, key, 0), b"image"))
    theirs.close()
    original = (tmp_path / "a.idx").read_bytes()
    (tmp_path / "a.idx").unlink()
    repair(tmp_path)
    assert (tmp_path / "a.idx").read_bytes() == original


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["recognition_train_data", "recognition_val_data"])
def test_real_index_comes_back_as_it_was(shared_data: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(shared_data / name / "cele.rec", tmp_path)
    repair(tmp_path)
    assert (tmp_path / "cele.idx").read_bytes() == (shared_data / name / "cele.idx").read_bytes()
