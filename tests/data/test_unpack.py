"""Unpacking into a folder per identity."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facejobs.data.errors import DataError, OutputExistsError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.pack import pack_folder
from facejobs.data.unpack import UnpackReport, unpack_records

JPEG, PNG = b"\xff\xd8\xff ", b"\x89PNG\r\n\x1a\n"
PEOPLE = [[JPEG + b"a1", JPEG + b"a2"], [PNG + b"b1"], [b"other c1"]]


def unpack(directory: Path, output: Path) -> UnpackReport:
    return unpack_records(directory, output, lambda done, total: None)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("identity_records", [True, False])
def test_without_a_list_numbers_are_names(write_records, tmp_path: Path, identity_records: bool) -> None:
    report = unpack(write_records(PEOPLE, identity_records), tmp_path / "out")
    first = 1 if identity_records else 0
    keys = [f"{key:07d}" for key in range(first, first + 4)]
    assert tree(tmp_path / "out") == {
        f"0000000/{keys[0]}.jpg": PEOPLE[0][0],
        f"0000000/{keys[1]}.jpg": PEOPLE[0][1],
        f"0000001/{keys[2]}.png": PEOPLE[1][0],
        f"0000002/{keys[3]}.bin": PEOPLE[2][0],
    }
    assert (report.images, report.identities, report.named) == (4, 3, 0)


@pytest.mark.parametrize("identity_records", [True, False])
def test_names_come_from_either_list(write_records, tmp_path: Path, identity_records: bool) -> None:
    report = unpack(write_records(PEOPLE, identity_records, with_list=True), tmp_path / "out")
    key = 1 if identity_records else 0
    assert set(tree(tmp_path / "out")) == {
        f"person_0/{key}.jpg",
        f"person_0/{key + 1}.jpg",
        f"person_1/{key + 2}.png",
        f"person_2/{key + 3}.bin",
    }
    assert report.named == 4


def with_paths(directory: Path, paths: list[str]) -> Path:
    labels = [0, 0, 1, 2]
    lines = [f"1\t{path}\t{label}\n" for path, label in zip(paths, labels, strict=False)]
    (directory / "a.lst").write_text("".join(lines))
    return directory


@pytest.mark.parametrize(
    "path",
    [
        "../../evil.jpg",
        "/etc/evil.jpg",
        "..\\..\\evil.jpg",
        "a/../..",
        "..",
        ".",
        "x/\x00.jpg",
        "y/" + "n" * 300 + ".jpg",
    ],
)
def test_no_list_makes_it_write_outside(write_records, tmp_path: Path, path: str) -> None:
    directory = with_paths(write_records(PEOPLE), [path, "ann/2.jpg", "bob/3.jpg", "c/4.jpg"])
    before = set(tmp_path.parent.rglob("*"))
    unpack(directory, tmp_path / "deep" / "out")
    new = set(tmp_path.parent.rglob("*")) - before
    assert all(tmp_path / "deep" in [made, *made.parents] for made in new)
    assert len(tree(tmp_path / "deep" / "out")) == 4


def test_names_that_collide_are_told_apart(write_records, tmp_path: Path) -> None:
    directory = with_paths(write_records(PEOPLE), ["one/x/1.jpg", "one/x/1.png", "two/X/1.jpg", "x/9.jpg"])
    report = unpack(directory, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {"x/1.jpg", "x/1-record2.jpg", "X-1/1.png", "x-2/9.bin"}
    assert report.named == 3


def test_images_the_list_leaves_out_are_written_too(write_records, tmp_path: Path) -> None:
    directory = with_paths(write_records(PEOPLE), ["ann/first.jpg"])
    report = unpack(directory, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {
        "ann/first.jpg",
        "ann/0000002.jpg",
        "0000001/0000003.png",
        "0000002/0000004.bin",
    }
    assert report.named == 1


def test_lines_about_absent_images_are_counted(write_records, tmp_path: Path) -> None:
    directory = write_records(PEOPLE, identity_records=False)
    (directory / "a.lst").write_text("0\t0\ta/1.jpg\n99\t0\ta/2.jpg\n")
    report = unpack(directory, tmp_path / "out")
    assert (report.images, report.named, report.absent) == (4, 1, 1)
    assert len(tree(tmp_path / "out")) == 4


def test_malformed_list_leaves_nothing_behind(write_records, tmp_path: Path) -> None:
    directory = write_records(PEOPLE, identity_records=False)
    (directory / "a.lst").write_text("0\t0\ta/1.jpg\nbroken\n")
    with pytest.raises(DataError, match="line 2"):
        unpack(directory, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_existing_output_is_left_as_it_is(write_records, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(OutputExistsError):
        unpack(write_records(PEOPLE), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious"]


def test_unreadable_record_leaves_nothing_behind(write_records, tmp_path: Path) -> None:
    directory = write_records(PEOPLE)
    content = bytearray((directory / "a.rec").read_bytes())
    at = FaceRecordFile.open(directory).image(2).offset
    content[at] ^= 1
    (directory / "a.rec").write_bytes(content)
    with pytest.raises(DataError, match=f"record 3 at byte {at}"):
        unpack(directory, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_pack_then_unpack_gives_the_folder_back(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    faces = tmp_path / "faces"
    for number, name in enumerate(["Zoë/1", "Ann Lee/b.2", "Ann Lee/a"]):
        path = faces / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    pack_folder(faces, tmp_path / "packed", 112, 1, lambda done, total: None)
    unpack(tmp_path / "packed", tmp_path / "again")
    assert tree(tmp_path / "again") == tree(faces)


@pytest.mark.shared_data
def test_real_records_survive_the_round_trip(shared_data: Path, tmp_path: Path) -> None:
    source = FaceRecordFile.open(shared_data / "recognition_val_data")
    unpack(source.path.parent, tmp_path / "folders")
    pack_folder(tmp_path / "folders", tmp_path / "packed", 112, 2, lambda done, total: None)
    again = FaceRecordFile.open(tmp_path / "packed")

    def images(records: FaceRecordFile) -> list[bytes]:
        return sorted(bytes(records.image(position).image) for position in range(len(records)))

    assert images(again) == images(source) and again.num_classes == source.num_classes
