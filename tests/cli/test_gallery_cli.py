"""`facejobs gallery list|verify|remove`, with good input and with bad."""

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facejobs.errors import ExitCode
from facejobs.gallery.changes import changing, create_gallery
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.model_identity import ModelIdentity

Command = Callable[..., Any]
PEOPLE = ["Ann Lee", "Ann Lee", "Bo/2", "Zoë", "\x1b[31mred"]


@pytest.fixture
def gallery(facejobs: Command) -> Command:
    """Runs `facejobs gallery …`."""
    return partial(facejobs, "gallery")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vectors = np.eye(8, dtype=np.float32)
    images = [EnrolledImage(name, "1.jpg", "0" * 64, vectors[row], 1.0) for row, name in enumerate(PEOPLE)]
    models = ModelIdentity("retinaface resnet50", "a" * 64), ModelIdentity("recogniser", "b" * 64)
    return create_gallery(tmp_path / "gallery", *models, 8, images).folder


def test_list_shows_everybody_and_the_models(gallery: Command, folder: Path) -> None:
    finished = gallery("list", folder)
    assert finished.returncode == 0
    assert [line.split(maxsplit=1) for line in finished.stdout.splitlines()[1:5]] == [
        ["1", "\\x1b[31mred"],
        ["2", "Ann Lee"],
        ["1", "Bo/2"],
        ["1", "Zoë"],
    ]
    assert "4 people, 5 images" in finished.stdout
    assert "retinaface resnet50 (aaaaaaaaaaaa)" in finished.stdout


def test_list_says_what_is_known_of_the_threshold(gallery: Command, folder: Path) -> None:
    def threshold() -> str:
        finished = gallery("list", folder)
        assert finished.returncode == 0
        (line,) = (line for line in finished.stdout.splitlines() if line.startswith("  threshold"))
        return " ".join(line.split())

    assert threshold() == "threshold not calibrated; `facejobs gallery calibrate` finds it"
    assert gallery("calibrate", folder, "--far", 0.7).returncode == 0
    found = json.loads(gallery("list", folder, "--json").stdout)["calibration"]["threshold"]
    shown = f"threshold {found['threshold']:.4f} by mean, at which {found['far']:.2%} of strangers' faces are named"
    assert threshold() == shown
    assert gallery("remove", folder, "Zoë", "--yes").returncode == 0
    assert threshold() == f"{shown}; the gallery was changed since: calibrate it again"
    with changing(folder) as change:
        change.set_calibration({"rule": "median"})
    assert "its calibration cannot be used" in threshold()


def test_list_as_json(gallery: Command, folder: Path) -> None:
    document = json.loads(gallery("list", folder, "--json").stdout)
    assert document["people"][1] == {"name": "Ann Lee", "images": 2}
    assert document["recogniser"] == {"name": "recogniser", "sha256": "b" * 64}
    assert document["calibration"] is None


def test_remove_takes_all_of_those_named(gallery: Command, folder: Path) -> None:
    finished = gallery("remove", folder, "Zoë", "Ann Lee", "Zoë", "--yes")
    assert (finished.returncode, finished.stdout) == (0, "removed Zoë, Ann Lee: 3 images\n")
    assert list(Gallery.open(folder).people) == ["\x1b[31mred", "Bo/2"]


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
def test_remove_asks_first(answer: str, gallery: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    finished = gallery("remove", folder, "Zoë")
    assert finished.returncode == ExitCode.GALLERY
    assert "remove Zoë (1 image)" in finished.stderr
    assert "nothing was removed" in finished.stderr
    assert "Zoë" in Gallery.open(folder).people


def test_remove_goes_on_after_yes(gallery: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert gallery("remove", folder, "Zoë").returncode == 0
    assert "Zoë" not in Gallery.open(folder).people


def test_remove_takes_nobody_where_one_is_unknown(gallery: Command, folder: Path) -> None:
    finished = gallery("remove", folder, "Zoë", "Ann Le", "--yes")
    assert finished.returncode == ExitCode.GALLERY
    assert "'Ann Le' is not in this gallery; did you mean 'Ann Lee'?" in finished.stderr
    assert len(Gallery.open(folder).people) == 4


def test_the_last_one_can_go(gallery: Command, folder: Path) -> None:
    assert gallery("remove", folder, *dict.fromkeys(PEOPLE), "--yes").returncode == 0
    assert "0 people, 0 images" in gallery("list", folder).stdout
    assert gallery("verify", folder).stdout == "intact: 0 people, 0 images\n"


def test_verify_deletes_what_an_interrupted_change_left(gallery: Command, folder: Path) -> None:
    assert gallery("verify", folder).stdout == "intact: 4 people, 5 images\n"
    assert not (folder / "gallery.lock").exists()
    (folder / f"embeddings-{'0' * 16}.f32").write_bytes(b"of somebody who was removed")
    (folder / ".facejobs-writing-rows").write_bytes(b"")
    (folder / "notes.txt").write_text("not ours")
    assert gallery("verify", folder).stdout == (
        "deleted 2 files that an interrupted change left\nintact: 4 people, 5 images\n"
    )
    assert (folder / "notes.txt").exists()
    assert gallery("verify", folder).stdout == "intact: 4 people, 5 images\n"


@pytest.mark.parametrize("command", [("list",), ("verify",), ("remove", "Zoë", "--yes")])
def test_a_damaged_gallery_is_told(command: tuple[str, ...], gallery: Command, folder: Path) -> None:
    path = next(folder.glob("embeddings-*"))
    path.write_bytes(path.read_bytes()[:-1])
    finished = gallery(command[0], folder, *command[1:])
    assert finished.returncode == ExitCode.GALLERY
    assert finished.stderr.startswith(f"error: {path} is 159 bytes long, gallery.json says 160")
    assert finished.stdout == ""


@pytest.mark.parametrize(("place", "message"), [("nowhere", "does not exist"), ("", "holds no gallery.json")])
def test_what_is_no_gallery_is_told(place: str, message: str, gallery: Command, tmp_path: Path) -> None:
    for command in (("list",), ("verify",), ("remove", "Zoë", "-y")):
        finished = gallery(command[0], tmp_path / place, *command[1:])
        assert finished.returncode == ExitCode.GALLERY
        assert message in finished.stderr
    assert list(tmp_path.iterdir()) == []
