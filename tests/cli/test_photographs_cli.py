"""`facejobs data check | convert | synth` on photographs with labelled faces, as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.photographs import read_photograph
from facejobs.errors import ExitCode

Data = Callable[..., Any]

KNOWN = "12 14 0.0 18 14 0.0 15 17 0.0 13 20 0.0 17 20 0.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two splits with one photograph each."""
    for seed, split in enumerate(("train", "val")):
        images = tmp_path / "faces" / split / "images"
        images.mkdir(parents=True)
        picture = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)
        (images / "a.jpg").write_bytes(simplejpeg.encode_jpeg(picture, 80, "RGB"))
        (images.parent / "label.txt").write_text(f"# a.jpg\n10 10 10 12 {KNOWN} 0.5\n30 30 14 25\n")
    return tmp_path / "faces"


def test_check_of_clean_data(data: Data, folder: Path) -> None:
    finished = data("check", folder)
    assert (finished.returncode, finished.stderr) == (ExitCode.OK, "")
    for part in (
        f"{folder} (photographs)",
        "train       1 image, 2 faces, 1 with landmarks (retinaface labels)",
        "pixels      80x60 to 80x60",
        "heights of faces in pixels: from 12 to 25",
        "clean: no error, no warning",
    ):
        assert part in finished.stdout


def test_check_ends_with_bad_data_and_names_file_and_line(data: Data, folder: Path) -> None:
    labels = folder / "val" / "label.txt"
    labels.write_text("# a.jpg\n1 1 nan 9\n1 1 9 9\n# [bold]b.jpg\n")
    finished = data("check", folder)
    assert finished.returncode == ExitCode.BAD_DATA
    assert f"{labels}:2: nan is no number of pixels" in finished.stdout
    assert f"{labels}:4: {folder}/val/images/[bold]b.jpg: no such photograph" in finished.stdout
    assert "to do: copy the image to images/" in finished.stdout
    assert "2 errors, 0 warnings" in finished.stdout


def test_check_as_json(data: Data, folder: Path) -> None:
    (folder / "val" / "images" / "a.jpg").write_bytes((folder / "train" / "images" / "a.jpg").read_bytes())
    finished = data("check", folder, "--json")
    assert finished.returncode == ExitCode.BAD_DATA
    report = json.loads(finished.stdout)
    assert (report["path"], report["layout"]) == (str(folder), "photographs")
    assert report["splits"][0] == {
        "name": "train",
        "dialect": "retinaface",
        "images": 1,
        "images_without_faces": 0,
        "faces": 2,
        "with_landmarks": 1,
        "ignored": 0,
    }
    assert report["smallest_image"] == report["largest_image"] == {"height": 60, "width": 80}
    assert report["face_heights"]["histogram"] == [
        {"least": 8, "most": 15, "faces": 2},
        {"least": 16, "most": 31, "faces": 2},
    ]
    assert (report["errors"], report["warnings"]) == (1, 0)
    assert report["counts"] == [{"severity": "error", "kind": "image-in-two-splits", "count": 1}]
    assert report["findings"] == [
        {
            "severity": "error",
            "kind": "image-in-two-splits",
            "message": f"the same image as {folder / 'train' / 'images' / 'a.jpg'}",
            "file": str(folder / "val" / "images" / "a.jpg"),
            "line": None,
        }
    ]


def test_convert_says_what_it_wrote_and_what_is_lost(data: Data, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "bbx_gt.txt"
    finished = data("convert", folder / "train" / "label.txt", target, "--to", "wider")
    assert finished.returncode == ExitCode.OK
    assert finished.stdout == f"{target}: 1 image, 2 faces (retinaface to wider)\n"
    assert finished.stderr == "wider cannot hold landmarks: lost of 1 face\n"
    assert target.read_text() == "a.jpg\n2\n10 10 10 12 1 0 0 0 0 0\n30 30 14 25 0 0 0 0 0 0\n"
    finished = data("convert", folder / "train", target, "--to", "wider")
    assert (finished.returncode, finished.stdout) == (ExitCode.OUTPUT_REFUSED, "")
    assert "exists already and is left as it is" in finished.stderr


def test_convert_names_passed_over_classes(data: Data, tmp_path: Path) -> None:
    boxed = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    objects = "".join(f"<object><name>{name}</name>{boxed}" for name in ("face", "dog", "dog"))
    (tmp_path / "a.xml").write_text(f"<annotation><filename>a.jpg</filename>{objects}</annotation>")
    finished = data("convert", tmp_path, tmp_path / "label.txt", "--to", "boxes")
    assert finished.stderr == "passed over 2 objects of class 'dog'\n"
    assert (tmp_path / "label.txt").read_text() == "# a.jpg\n0 0 9 9\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("none.txt", "no such file or folder"),
        ("empty.txt", "empty; a label file names at least one image"),
        ("cut.txt", "cut.txt:2: 3 numbers for a face"),
        ("train/images", "holds no XML file"),
    ],
)
def test_convert_of_bad_input(data: Data, folder: Path, source: str, words: str) -> None:
    (folder / "empty.txt").touch()
    (folder / "cut.txt").write_text("# a.jpg\n1 2 3")
    finished = data("convert", folder / source, folder / "out.txt", "--to", "scrfd")
    assert finished.returncode == ExitCode.BAD_DATA
    assert finished.stderr.startswith("error: ") and words in finished.stderr
    assert not (folder / "out.txt").exists()


def test_synth_of_a_detection_set(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    counts = ["--photographs", 2, "--val-photographs", 1, "--test-photographs", 1]
    finished = data("synth", tmp_path / "drawn", "--task", "detection", *counts)
    assert (finished.returncode, finished.stderr) == (ExitCode.OK, "")
    folder = tmp_path / "drawn" / "detection_train_data"
    assert finished.stdout == f"{folder}: 2 photographs for training, 1 for validation, 1 for the test\n"
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["detection_train_data"]
    names = []
    for split in ("train", "val", "test"):
        opened = DetectionSplit.open(folder / split)
        for image in opened.images:
            names.append(image.path)
            assert len(image) and not np.isnan(image.landmarks).any()
            assert read_photograph(opened.path_of(image)).shape == (480, 640, 3)
    assert names == ["photograph_0003.jpg", "photograph_0004.jpg", "photograph_0002.jpg", "photograph_0001.jpg"]
    assert data("check", folder).returncode == ExitCode.OK
    finished = data("synth", tmp_path / "more", "--task", "detection", *counts[:1], 1, *counts[2:])
    assert finished.returncode == ExitCode.OK
    for split in ("val", "test"):
        for path in (folder / split).rglob("*.*"):
            again = tmp_path / "more" / path.relative_to(tmp_path / "drawn")
            assert again.is_dir() or again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "detection", "--pairs", 20], "--pairs"),
        (["--val-photographs", 5], "--val-photographs"),
        (["--task", "detection", "--photographs", 0], "--photographs is 0, at least 1 is needed"),
        (["--task", "detection", "--seed", -1], "--seed is -1"),
        (["--task", "recognition"], "--task"),
    ],
)
def test_synth_options_that_make_no_sense(data: Data, tmp_path: Path, arguments: list[object], words: str) -> None:
    finished = data("synth", tmp_path / "drawn", *arguments)
    assert finished.returncode == ExitCode.USAGE
    assert words in finished.stderr
    assert not list(tmp_path.iterdir())
