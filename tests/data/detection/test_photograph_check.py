"""The check of photographs: each kind of fault is found, named with its place, and nothing else is."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facejobs.cli.photograph_report import photographs_as_json
from facejobs.data.check import PhotographReport, check_photographs, kind_of_data
from facejobs.data.errors import DataError

Photograph = Callable[..., bytes]
WriteSplit = Callable[..., Path]

KNOWN = "12 14 0.0 18 14 0.0 15 17 0.0 13 20 0.0 17 20 0.0"
UNKNOWN = " ".join(["-1.0"] * 15)


def check(directory: Path) -> PhotographReport:
    report = check_photographs(directory, threads=2, progress=lambda done, total: None)
    json.dumps(photographs_as_json(report))
    return report


def found(report: PhotographReport) -> list[tuple[str, str, str]]:
    """Severity, kind and place of every finding, places without the folder."""
    return [
        (finding.severity, finding.kind, finding.place.removeprefix(f"{report.path}/"))
        for finding in report.findings.shown
    ]


def message(report: PhotographReport) -> str:
    (finding,) = report.findings.shown
    return finding.message


def test_clean_data(write_split: WriteSplit, photograph: Photograph, tmp_path: Path) -> None:
    lines = f"# a.jpg\n10 10 10 12 {KNOWN} 0.5\n30 30 4 5 {UNKNOWN} 1.0\n# day/b.jpg\n"
    write_split(
        lines, {"a.jpg": photograph(1), "day/b.jpg": photograph(2, 30, 50), "notes.md": b"no image"}, "data/train"
    )
    faces = "0 0 80 60 0 0 0 1 0 0\n0 0 80 60 0 0 0 0 0 0\n"
    write_split(f"b.jpg\n2\n{faces}", {"b.jpg": photograph(3)}, "data/test")
    report = check(tmp_path / "data")
    assert found(report) == []
    train, test = report.splits
    assert (train.name, train.dialect, train.images, train.images_without_faces) == ("train", "retinaface", 2, 1)
    assert (train.faces, train.with_landmarks, train.ignored) == (2, 1, 0)
    assert (test.name, test.dialect, test.faces, test.ignored) == ("test", "wider", 2, 1)
    assert (report.smallest, report.largest) == ((30, 50), (60, 80))
    spread = report.face_heights
    assert spread and (spread.minimum, spread.maximum) == (5, 60)
    assert [(bin_.least, bin_.most, bin_.count) for bin_ in spread.histogram] == [
        (4, 7, 1),
        (8, 15, 1),
        (16, 31, 0),
        (32, 63, 2),
    ]


def test_images_and_labels_that_do_not_match(write_split: WriteSplit, photograph: Photograph) -> None:
    labels = "# a.jpg\n1 1 9 9\n# gone.jpg\n1 1 9 9\n# broken.jpg\n1 1 9 9\n"
    whole = photograph(2)
    images = {
        "a.jpg": photograph(1),
        "broken.jpg": whole[: len(whole) // 2],
        "more/c.PNG": photograph(3),
        ".d.jpg": b"x",
    }
    report = check(write_split(labels, images))
    assert found(report) == [
        ("error", "missing-image", "label.txt:3"),
        ("error", "unreadable", "label.txt:5"),
        ("warning", "unlabelled", "images/more/c.PNG"),
    ]
    assert (report.errors, report.warnings) == (2, 1)
    assert "gone.jpg: no such photograph" in report.findings.shown[0].message
    assert "broken.jpg: a damaged JPEG image" in report.findings.shown[1].message


def test_every_malformed_line_is_found(write_split: WriteSplit, photograph: Photograph) -> None:
    report = check(write_split("# a.jpg\n1 1 nan 9\n1 1 -9 9\n1 1 9 9\n# a.jpg\n", {"a.jpg": photograph(1)}))
    assert found(report) == [("error", "label", f"label.txt:{line}") for line in (2, 3, 5)]
    assert report.splits[0].faces == 1


@pytest.mark.parametrize("labels", ["", "\0\0", "# a.jpg\n"])
def test_labels_that_give_nothing_to_train_on(write_split: WriteSplit, photograph: Photograph, labels: str) -> None:
    report = check(write_split(labels, {"a.jpg": photograph(1)}))
    assert [(finding.severity, finding.kind) for finding in report.findings.shown] == [("error", "label")]
    assert str(report.path / "label.txt") in report.findings.shown[0].place + message(report)


def test_labels_of_which_no_face_counts(write_split: WriteSplit, photograph: Photograph) -> None:
    report = check(
        write_split("a.jpg\n1\n0 0 80 60 0 0 0 1 0 0\nb.jpg\n0\n", {"a.jpg": photograph(1), "b.jpg": photograph(2)})
    )
    assert found(report) == [("warning", "all-ignored", "label.txt")]


@pytest.mark.parametrize(
    ("face", "severity", "kind"),
    [
        ("0 0 80 60", None, None),
        ("-0.5 -1 81 62", None, None),
        ("70 50 12 9", "warning", "box-beyond-edge"),
        ("-3 5 10 10", "warning", "box-beyond-edge"),
        ("80 5 10 10", "error", "box-outside"),
        ("5 -20 10 10", "error", "box-outside"),
        ("5 5 0 10", "warning", "no-area"),
        ("900 5 10 0", "warning", "no-area"),
        (f"10 10 10 12 {KNOWN} 0.0", None, None),
        (f"11.5 13 10 12 {KNOWN} 0.0", None, None),
        (f"20 10 10 12 {KNOWN} 0.0", "warning", "landmarks"),
        (f"10 10 10 5 {KNOWN} 0.0", "warning", "landmarks"),
        (f"10 10 10 0 {KNOWN} 0.0", "warning", "no-area"),
    ],
)
def test_boxes_and_landmarks(
    write_split: WriteSplit, photograph: Photograph, face: str, severity: str | None, kind: str | None
) -> None:
    report = check(write_split(f"# a.jpg\n1 1 9 9\n{face}\n", {"a.jpg": photograph(1)}))
    if severity is None:
        assert found(report) == []
    else:
        assert found(report) == [(severity, kind, "label.txt:1")]
        assert message(report).startswith("a.jpg: the box of face 2 (")


def turned(orientation: int) -> bytes:
    """60 high and 80 wide as stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture = np.random.default_rng(orientation).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(picture).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(
    ("labels", "orientation", "kind"),
    [
        ("# a.jpg\n65 5 14 14\n", 6, "orientation"),
        ("# a.jpg\n65 5 14 14\n", 8, "orientation"),
        ("# a.jpg\n65 5 14 14\n", 1, None),
        ("# a.jpg\n65 5 14 14\n", 3, None),
        ("# a.jpg\n5 65 14 14\n", 6, None),
        ("# a.jpg\n5 5 14 14\n", 6, None),
        ("# a.jpg\n65 5 14 14\n5 65 14 14\n", 6, "box-outside"),
        ("# a.jpg 80 60\n5 5 14 14\n", 6, "orientation"),
        ("# a.jpg 60 80\n5 5 14 14\n", 6, None),
        ("# a.jpg 90 70\n5 5 14 14\n", 6, "image-size"),
        ("# a.jpg 60 80\n5 5 14 14\n", 1, "image-size"),
    ],
)
def test_labels_of_turned_photographs(write_split: WriteSplit, labels: str, orientation: int, kind: str | None) -> None:
    report = check(write_split(labels, {"a.jpg": turned(orientation)}))
    assert found(report) == ([("error", kind, "label.txt:1")] if kind else [])
    if kind == "orientation":
        assert "EXIF turns it upright to 60x80, but its labels fit the stored 80x60" in message(report)


def test_copies_within_and_across_splits(write_split: WriteSplit, photograph: Photograph, tmp_path: Path) -> None:
    one, two = photograph(1), photograph(2)
    write_split("# a.jpg\n1 1 9 9\n# b.jpg\n", {"a.jpg": one, "b.jpg": one}, "data/train")
    write_split("# c.jpg\n1 1 9 9\n# d.jpg\n", {"c.jpg": two, "d.jpg": one}, "data/val")
    report = check(tmp_path / "data")
    assert found(report) == [
        ("warning", "duplicate", "train/images/b.jpg"),
        ("error", "image-in-two-splits", "val/images/d.jpg"),
    ]
    assert report.findings.shown[1].message == f"the same image as {tmp_path / 'data' / 'train' / 'images' / 'a.jpg'}"


def test_half_a_split(write_split: WriteSplit, photograph: Photograph, tmp_path: Path) -> None:
    write_split("# a.jpg\n1 1 9 9\n", {"a.jpg": photograph(1)}, "data/train")
    write_split(None, {"b.jpg": photograph(2)}, "data/val")
    (tmp_path / "data" / "test").mkdir()
    (tmp_path / "data" / "test" / "label.txt").write_text("# a.jpg\n1 1 9 9\n")
    report = check(tmp_path / "data")
    assert found(report) == [
        ("error", "split", ""),
        ("error", "split", ""),
        ("error", "missing-image", "test/label.txt:1"),
    ]
    assert "val: no label.txt in it" in report.findings.shown[0].message
    assert [split.dialect for split in report.splits] == ["boxes", None, "boxes"]


def test_many_findings_are_counted_and_the_first_kept(write_split: WriteSplit, photograph: Photograph) -> None:
    report = check(write_split("# a.jpg\n" + "200 200 5 5\n" * 300, {"a.jpg": photograph(1)}))
    assert (len(report.findings.shown), report.errors) == (100, 300)


def test_progress_counts_photographs(write_split: WriteSplit, photograph: Photograph) -> None:
    told: list[tuple[int, int]] = []
    folder = write_split("# a.jpg\n1 1 9 9\n", {"a.jpg": photograph(1), "b.jpg": photograph(2)})
    check_photographs(folder, 2, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_kinds_of_data_are_told_by_content(write_split: WriteSplit, tmp_path: Path) -> None:
    folder = write_split("# a.jpg\n", {})
    assert kind_of_data(folder) == "photographs"
    (folder / "a.rec").touch()
    assert kind_of_data(folder) == "records"
    for place, words in (
        (tmp_path, "holds neither NAME.rec, nor images/"),
        (tmp_path / "none", "no such directory"),
        (folder / "label.txt", "is a file"),
    ):
        with pytest.raises(DataError, match=words):
            kind_of_data(place)


def test_shared_data(shared_data: Path) -> None:
    report = check(shared_data / "detection_train_data")
    assert report.errors == 0
    assert {kind for _, kind in report.findings.counts} == {"landmarks", "no-area"}
    assert report.findings.counts["warning", "no-area"] == 2
    counts = [
        (split.name, split.images, split.images_without_faces, split.faces, split.with_landmarks, split.ignored)
        for split in report.splits
    ]
    assert counts == [("train", 900, 1, 9184, 4148, 0), ("val", 100, 0, 1400, 600, 0), ("test", 200, 0, 2104, 856, 2)]
