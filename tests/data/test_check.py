"""The data check: each kind of fault is found, named with record and byte, and nothing else is."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facejobs.cli.data_report import report_as_json
from facejobs.data.check import CheckReport, check_records
from facejobs.data.errors import DataError
from facejobs.data.image_record import pack_image_record
from facejobs.data.recordio import RecordReader, encode_record

Jpeg = Callable[..., bytes]


def check(directory: Path) -> CheckReport:
    report = check_records(directory, threads=2, progress=lambda done, total: None)
    json.dumps(report_as_json(report))
    return report


def found(report: CheckReport) -> list[tuple[str, str, int | None, int | None]]:
    return [(finding.severity, finding.kind, finding.record, finding.offset) for finding in report.findings.shown]


def messages(report: CheckReport) -> str:
    return "\n".join(finding.message for finding in report.findings.shown)


def offsets(directory: Path) -> dict[int, int]:
    return {int(line.split()[0]): int(line.split()[1]) for line in (directory / "a.idx").read_text().splitlines()}


@pytest.fixture
def people(jpeg: Jpeg) -> list[list[bytes]]:
    """Three identities with 3, 1 and 2 images."""
    return [[jpeg(1), jpeg(2), jpeg(3)], [jpeg(4)], [jpeg(5), jpeg(6)]]


def rewrite(directory: Path, key: int, payload: bytes) -> None:
    """Replace a record's payload by one of another size, moving what follows and correcting the index."""
    path = directory / "a.rec"
    content = path.read_bytes()
    at = offsets(directory)
    start = at[key]
    end = min([offset for offset in at.values() if offset > start], default=len(content))
    new = encode_record(payload)
    path.write_bytes(content[:start] + new + content[end:])
    shift = len(new) - (end - start)
    lines = (f"{k}\t{offset + (shift if offset > start else 0)}" for k, offset in at.items())
    (directory / "a.idx").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("identity_records", [True, False])
def test_clean_data(write_records, people, identity_records: bool) -> None:
    report = check(write_records(people, identity_records, with_list=True))
    assert found(report) == []
    assert (report.records, report.images, report.identities) == (10 if identity_records else 6, 6, 3)
    assert report.layout == ("InsightFace" if identity_records else "im2rec")
    assert report.image_sizes == {(112, 112): 6}
    spread = report.images_per_identity
    assert spread and (spread.minimum, spread.median, spread.mean, spread.maximum) == (1, 2, 2, 3)
    assert [(bin_.least, bin_.most, bin_.count) for bin_ in spread.histogram] == [(1, 1, 1), (2, 4, 2)]


def test_unreadable_image(write_records, people) -> None:
    people[0][1] = b"no image at all"
    people[2][0] = b""
    directory = write_records(people)
    at = offsets(directory)
    assert found(check(directory)) == [("error", "unreadable", 2, at[2]), ("error", "unreadable", 5, at[5])]


def test_image_cut_off_in_the_middle_is_unreadable(write_records, people) -> None:
    people[1][0] = people[1][0][:-400]
    directory = write_records(people)
    assert found(check(directory)) == [("error", "unreadable", 4, offsets(directory)[4])]


def test_image_that_claims_to_be_enormous_is_refused_unread(write_records, people) -> None:
    frame = people[0][0].index(b"\xff\xc0") + 5
    people[0][0] = people[0][0][:frame] + struct.pack(">HH", 65000, 65000) + people[0][0][frame + 4 :]
    report = check(write_records(people))
    assert found(report)[0][:3] == ("error", "unreadable", 1)
    assert "65000 x 65000" in messages(report)


def test_record_that_is_no_image_record(write_records, people) -> None:
    directory = write_records(people)
    rewrite(directory, 3, b"tiny")
    report = check(directory)
    assert ("error", "unreadable", 3, offsets(directory)[3]) in found(report)
    assert report.images == 5


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (3.0, "the label 3 is beyond property, which allows 0 to 2"),
        (-1.0, "the label -1 is negative"),
        (0.5, "the label 0.5 is no whole number"),
        (float("nan"), "the label nan is no whole number"),
        (float("inf"), "the label inf is no whole number"),
    ],
)
def test_label_out_of_range(write_records, people, label: float, message: str) -> None:
    directory = write_records(people, identity_records=False)
    rewrite(directory, 1, pack_image_record(label, 1, people[0][1]))
    report = check(directory)
    assert found(report) == [("error", "label", 1, offsets(directory)[1])]
    assert messages(report) == message


def test_duplicates_within_and_across_identities(write_records, people) -> None:
    people[0][2] = people[0][0]
    people[2][1] = people[0][0]
    directory = write_records(people)
    at = offsets(directory)
    report = check(directory)
    assert found(report) == [
        ("warning", "duplicate", 3, at[3]),
        ("error", "duplicate-across-identities", 6, at[6]),
    ]
    assert "record 1 (byte 0), but identity 2 here and 0 there" in messages(report)


def test_equal_digests_alone_convict_nobody(write_records, people, monkeypatch: pytest.MonkeyPatch) -> None:
    class Same:
        def __init__(self, *_: object, **__: object) -> None: ...

        def digest(self) -> bytes:
            return bytes(8)

    monkeypatch.setattr("facejobs.data.check.images.hashlib.blake2b", Same)
    assert found(check(write_records(people))) == []


def test_image_of_another_size(write_records, people, jpeg: Jpeg) -> None:
    people[2][1] = jpeg(9, 96, 112)
    directory = write_records(people)
    report = check(directory)
    assert found(report) == [("error", "image-size", 6, offsets(directory)[6])]
    assert messages(report) == "the image is 112x96 pixels, property says 112x112"


def test_property_with_another_class_count(write_records, people) -> None:
    report = check(write_records(people, declared="4,112,112\n"))
    assert found(report) == [("error", "property", None, None), ("warning", "empty-identity", None, None)]
    assert "property says 4 identities, the .rec has 3 identity records" in messages(report)


def test_property_that_claims_hundreds_of_millions_is_counted_not_listed(write_records, people) -> None:
    report = check(write_records(people, identity_records=False, declared="900000000,112,112\n"))
    assert report.findings.counts["warning", "empty-identity"] == 899_999_997
    assert len(report.findings.shown) == 100
    assert report.findings.shown[0].message == "identity 3 has no image"


def test_missing_property(write_records, people) -> None:
    directory = write_records(people)
    (directory / "property").unlink()
    report = check(directory)
    assert found(report) == [("error", "property", None, None)]
    assert report.declared is None and report.images == 6


def test_identity_without_image_names_its_record(write_records, people) -> None:
    people[1] = []
    directory = write_records(people)
    report = check(directory)
    assert found(report) == [("warning", "empty-identity", 7, offsets(directory)[7])]


def test_identity_record_with_another_range(write_records, people) -> None:
    directory = write_records(people)
    rewrite(directory, 9, pack_image_record((5.0, 6.0), 9))
    rewrite(directory, 0, pack_image_record((6.0, 10.0), 0))
    at = offsets(directory)
    report = check(directory)
    assert found(report) == [("warning", "identity-record", 0, at[0]), ("warning", "identity-record", 9, at[9])]
    assert "says 5 to 6, the images of identity 2 are 5 to 7 (exclusive)" in messages(report)


def test_missing_index_asks_for_repair(write_records, people) -> None:
    directory = write_records(people)
    (directory / "a.idx").unlink()
    report = check(directory)
    assert found(report) == [("error", "index", None, None)]
    assert "facejobs data repair" in messages(report) and report.images == 6


@pytest.mark.parametrize("content", [b"", b"no index\n"])
def test_unusable_index(write_records, people, content: bytes) -> None:
    directory = write_records(people)
    (directory / "a.idx").write_bytes(content)
    report = check(directory)
    assert found(report) == [("error", "index", None, None)]
    assert "facejobs data repair" in messages(report)


def test_index_with_wrong_extra_and_missing_lines(write_records, people) -> None:
    directory = write_records(people)
    at = offsets(directory)
    size = (directory / "a.rec").stat().st_size
    wrong = {**at, 2: at[2] + 4, 77: size + 40}
    del wrong[5]
    (directory / "a.idx").write_text("".join(f"{key}\t{offset}\n" for key, offset in wrong.items()))
    report = check(directory)
    assert found(report) == [
        ("error", "index", 2, at[2] + 4),
        ("error", "index", 77, size + 40),
        ("error", "index", 2, at[2]),
        ("error", "index", 5, at[5]),
    ]
    assert "line 2 points to byte" in messages(report) and f"beyond the end of the .rec ({size} bytes)" in messages(
        report
    )


def test_index_with_swapped_and_repeated_lines(write_records, people) -> None:
    directory = write_records(people)
    at = offsets(directory)
    swapped = {**at, 2: at[3], 3: at[2]}
    (directory / "a.idx").write_text("".join(f"{key}\t{offset}\n" for key, offset in swapped.items()))
    report = check(directory)
    assert [entry for entry in found(report) if entry[1] == "index"] == [
        ("error", "index", 3, at[2]),
        ("error", "index", 2, at[3]),
    ]
    assert "calls this record 3, its header says 2" in messages(report)
    lines = "".join(f"{key}\t{offset}\n" for key, offset in at.items())
    (directory / "a.idx").write_text(lines + f"4\t{at[4]}\n")
    assert "line 11 names a record that another line names too" in messages(check(directory))


def test_list_that_disagrees(write_records, people) -> None:
    directory = write_records(people, with_list=True)
    at = offsets(directory)
    path = directory / "a.lst"
    lines = path.read_text().splitlines()
    lines[1] = "1\tperson_0/2.jpg\t2"
    path.write_text("\n".join(lines) + "\n1\textra/1.jpg\t0\n")
    report = check(directory)
    assert found(report) == [("error", "list", 2, at[2]), ("error", "list", 7, None)]
    assert "line 2 says label 2, the record 0" in messages(report)
    path.write_text("\n".join(lines[:1]) + "\n1\tbroken\n")
    assert "line 2: expected 1<TAB>path<TAB>label" in messages(check(directory))
    path.write_text(lines[0] + "\n")
    assert found(check(directory)) == [("warning", "list", key, at[key]) for key in range(2, 7)]


def test_truncated_records_say_where_and_how_many_are_whole(write_records, people) -> None:
    directory = write_records(people)
    at = offsets(directory)
    path = directory / "a.rec"
    path.write_bytes(path.read_bytes()[: at[5] + 100])
    report = check(directory)
    damage = [finding for finding in report.findings.shown if finding.kind == "damage"]
    assert [(finding.severity, finding.offset) for finding in damage] == [("error", at[5])]
    assert "4 records are whole" in damage[0].message and f"ends at byte {at[5] + 100}" in damage[0].message
    assert (report.records, report.images) == (4, 4)
    beyond = [entry for entry in found(report) if entry[1] == "index"]
    assert [record for _, _, record, _ in beyond] == [5, 6, 7, 8, 9, 0]


def test_damage_in_the_middle_is_read_past(write_records, people) -> None:
    directory = write_records(people)
    at = offsets(directory)
    content = bytearray((directory / "a.rec").read_bytes())
    content[at[2] : at[3]] = bytes(at[3] - at[2])
    (directory / "a.rec").write_bytes(content)
    report = check(directory)
    assert ("error", "damage", None, at[2]) in found(report)
    assert ("error", "index", 2, at[2]) in found(report)
    assert report.images == 5
    assert f"bytes {at[2]} to {at[3] - 1} hold no whole record" in messages(report)


def test_nothing_to_check_is_an_error(tmp_path: Path, write_records, people) -> None:
    with pytest.raises(DataError, match="no such directory"):
        check(tmp_path / "absent")
    directory = write_records(people)
    (directory / "a.rec").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        check(directory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_no_damage_makes_it_crash(write_records, tmp_path: Path, jpeg: Jpeg, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "records", ignore_errors=True)
    directory = write_records([[jpeg(1), jpeg(2)], [jpeg(3)]], with_list=True)
    for name in ("a.rec", "a.idx", "a.lst", "property"):
        content = bytearray((directory / name).read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(content)))
            content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
        (directory / name).write_bytes(content or b"x")
    report = check(directory)
    whole = sum(1 for item in RecordReader(directory / "a.rec").scan() if hasattr(item, "payload"))
    assert report.records == whole


def test_progress_ends_at_the_size_of_the_file(write_records, people) -> None:
    calls: list[tuple[int, int]] = []
    directory = write_records(people)
    check_records(directory, 1, lambda done, total: calls.append((done, total)))
    size = (directory / "a.rec").stat().st_size
    assert calls[-1] == (size, size) and np.all(np.diff([done for done, _ in calls]) >= 0)


@pytest.mark.shared_data
def test_real_records_have_one_duplicate_and_no_error(shared_data: Path) -> None:
    report = check(shared_data / "recognition_train_data")
    assert (report.records, report.images, report.identities, report.errors) == (4489, 4274, 214, 0)
    assert found(report) == [("warning", "duplicate", 1238, 5929828)]
    assert "record 1237 (byte 5925612)" in messages(report)
    assert found(check(shared_data / "recognition_val_data")) == []


def test_beyond_a_hundred_of_a_kind_only_the_number_is_kept(write_records, jpeg: Jpeg) -> None:
    people = [[b"no image %d" % number for number in range(130)], [jpeg(number, 56, 56) for number in range(120)]]
    report = check(write_records(people))
    assert report.findings.counts == {("error", "unreadable"): 130, ("error", "image-size"): 120}
    assert len(report.findings.shown) == 200 and report.errors == 250
