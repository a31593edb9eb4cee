"""Packing a folder per person."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facejobs.data.check import check_records
from facejobs.data.errors import DataError, OutputExistsError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.pack import PackReport, pack_folder

Jpeg = Callable[..., bytes]


def pack(folder: Path, output: Path, size: int = 112) -> PackReport:
    return pack_folder(folder, output, size, 2, lambda done, total: None)


@pytest.fixture
def faces(tmp_path: Path, jpeg: Jpeg) -> Path:
    """ann: 2 JPEG, bob: 1 PNG and a text file, nobody: empty; plus a loose file."""
    folder = tmp_path / "faces"
    for name in ("bob", "ann", "nobody"):
        (folder / name).mkdir(parents=True)
    (folder / "ann" / "2.JPG").write_bytes(jpeg(2))
    (folder / "ann" / "1.jpg").write_bytes(jpeg(1))
    png = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8))[1]
    (folder / "bob" / "only.png").write_bytes(png.tobytes())
    (folder / "bob" / "notes.txt").write_text("not an image")
    (folder / "loose.jpg").write_bytes(jpeg(3))
    return folder


def test_pack_keeps_every_byte_in_the_layout_of_insightface(faces: Path, tmp_path: Path) -> None:
    report = pack(faces, tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    assert report == PackReport(out / "faces.rec", 3, 2, 2, ["nobody"])
    assert sorted(path.name for path in out.iterdir()) == ["faces.idx", "faces.lst", "faces.rec", "property"]
    assert (out / "property").read_text() == "2,112,112\n"
    assert (out / "faces.lst").read_text() == "1\tann/1.jpg\t0\n1\tann/2.JPG\t0\n1\tbob/only.png\t1\n"
    assert [line.split("\t")[0] for line in (out / "faces.idx").read_text().splitlines()] == list("123450")
    records = FaceRecordFile.open(out)
    found = [(records.image(n).label, bytes(records.image(n).image)) for n in range(len(records))]
    names = ["ann/1.jpg", "ann/2.JPG", "bob/only.png"]
    assert found == list(zip([0, 0, 1], [(faces / name).read_bytes() for name in names], strict=True))
    assert not check_records(out, 1, lambda done, total: None).findings.shown


def test_mxnet_reads_the_identity_records(faces: Path, tmp_path: Path) -> None:
    recordio = pytest.importorskip("mxnet").recordio
    pack(faces, tmp_path / "out")
    theirs = recordio.MXIndexedRecordIO(str(tmp_path / "out/faces.idx"), str(tmp_path / "out/faces.rec"), "r")
    headers = {key: recordio.unpack(theirs.read_idx(key))[0] for key in (0, 4, 5)}
    assert {key: (header.flag, header.label.tolist()) for key, header in headers.items()} == {
        0: (2, [4.0, 6.0]),
        4: (2, [1.0, 3.0]),
        5: (2, [3.0, 4.0]),
    }


def test_packing_twice_gives_the_same_bytes(faces: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack(faces, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_unfit_images_are_listed_and_nothing_is_written(faces: Path, tmp_path: Path, jpeg: Jpeg) -> None:
    (faces / "ann" / "3.jpg").write_bytes(jpeg(3, 100, 112))
    (faces / "bob" / "x.jpg").write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        pack(faces, tmp_path / "out")
    message = str(caught.value)
    assert "ann/3.jpg is 112x100 pixels, not 112x112" in message and "bob/x.jpg: not an image" in message
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_only_the_first_ten_unfit_images_are_listed(faces: Path, tmp_path: Path, jpeg: Jpeg) -> None:
    for number in range(30):
        (faces / "ann" / f"bad{number}.jpg").write_bytes(jpeg(number, 56, 56))
    with pytest.raises(DataError, match="there may be more") as caught:
        pack(faces, tmp_path / "out")
    assert str(caught.value).count("56x56") == 10


def test_other_size_can_be_asked_for(tmp_path: Path, jpeg: Jpeg) -> None:
    (tmp_path / "faces" / "a").mkdir(parents=True)
    (tmp_path / "faces" / "a" / "1.jpg").write_bytes(jpeg(0, 64, 64))
    pack(tmp_path / "faces", tmp_path / "out", size=64)
    assert FaceRecordFile.open(tmp_path / "out").image_size == (64, 64)


def test_existing_output_is_left_as_it_is(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        pack(faces, out)
    assert [path.name for path in out.iterdir()] == ["precious"]
    with pytest.raises(OutputExistsError):
        pack(faces, out / "precious")
    with pytest.raises(NotADirectoryError, match="in a file"):
        pack(faces, out / "precious" / "deeper")


def test_empty_output_directory_may_be_used(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    pack(faces, tmp_path / "out")
    assert (tmp_path / "out" / "property").is_file()


@pytest.mark.parametrize("case", ["absent", "file", "empty"])
def test_wrong_input_folders(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "faces"
    if case == "file":
        folder.touch()
    if case == "empty":
        folder.mkdir()
    with pytest.raises(DataError, match="one folder of images per person"):
        pack(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_a_list_cannot_hold_are_refused(faces: Path, tmp_path: Path, jpeg: Jpeg) -> None:
    (faces / "ann" / "ta\tb.jpg").write_bytes(jpeg(1))
    with pytest.raises(DataError, match="tab or line break"):
        pack(faces, tmp_path / "out")


def test_full_disk_leaves_nothing_behind(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facejobs.data.pack.RecordWriter.write", full_disk)
    with pytest.raises(OSError, match="No space"):
        pack(faces, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]
