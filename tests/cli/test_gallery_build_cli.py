"""`facejobs gallery build`, `add` and `report` from the command line, with good input and with bad."""

import errno
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest

from facejobs.errors import ExitCode
from facejobs.gallery.store import Gallery

SMALL = ("--min-eye-distance", "3", "--max-blur", "1", "--max-pitch", "90")

Command = Callable[..., Any]


@pytest.fixture
def gallery(facejobs: Command) -> Command:
    """Runs `facejobs gallery` with the given arguments, through the whole command line."""
    return partial(facejobs, "gallery")


@pytest.fixture
def models(
    publish_spot_detector: Callable[..., Path], publish_block_recogniser: Callable[..., Path], tmp_path: Path
) -> tuple[Path, Path]:
    """A detector and a recogniser, as runs leave them."""
    publish_spot_detector(tmp_path / "detector" / "model")
    publish_block_recogniser(tmp_path / "recogniser" / "model")
    return tmp_path / "detector", tmp_path / "recogniser"


@pytest.fixture
def people(tmp_path: Path, draw_portrait: Callable[..., Any]) -> Path:
    """Two people with two photographs each, of which one shows nobody, and one more person without a photograph."""
    folder = tmp_path / "people"
    for person, name in enumerate(("Ann Lee", "Bo: ü\n")):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / name / f"{number}.png"), draw_portrait(person, number)[..., ::-1])
    cv2.imwrite(str(folder / "Ann Lee" / "wall.png"), draw_portrait(0, 2, spots=0))
    (folder / "Cy").mkdir()
    return folder


def test_a_gallery_is_built_and_says_what_it_left_out(
    gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "db"
    done = gallery("build", people, *models, out, *SMALL)
    assert done.returncode == ExitCode.OK
    assert done.stderr.splitlines() == [
        f"refused: {people}/Cy: no photograph in this folder",
        f"refused: {people}/Ann Lee/wall.png: no face found",
    ]
    assert done.stdout.splitlines()[0] == f"{out}: 2 people, 4 images"
    assert "without an image: Cy" in done.stdout and str(out / "report.html") in done.stdout
    assert list(Gallery.open(out).people) == ["Ann Lee", "Bo: ü\n"]
    assert "no face found" in (out / "report.html").read_text()
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    values = {metric["name"]: metric["value"] for metric in metrics}
    assert values == {
        "people": 2, "images": 4, "refused_photographs": 1, "people_without_image": 1, "likely_mix_ups": 0
    }  # fmt: skip


def test_the_same_as_json(gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(people / "Ann Lee" / "0.png", people / "Ann Lee" / "again.png")
    done = gallery("build", people, *models, tmp_path / "db", *SMALL, "--json", "--no-pictures")
    summary = json.loads(done.stdout)
    assert (summary["people"], summary["images"], summary["without_image"]) == (2, 4, ["Cy"])
    assert {refusal["reason"] for refusal in summary["refused"]} == {
        "no face found", "no photograph in this folder", "the same file as 0.png"
    }  # fmt: skip
    report = json.loads(gallery("report", tmp_path / "db", "--json").stdout)
    assert report["strays"] == [] and report["refused"] == []


def test_people_are_added_replaced_and_reported(
    gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path, draw_portrait: Callable[..., Any]
) -> None:
    db = tmp_path / "db"
    gallery("build", people, *models, db, *SMALL)
    (tmp_path / "more" / "Di").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "more" / "Di" / "1.png"), draw_portrait(5)[..., ::-1])
    assert gallery("add", db, tmp_path / "more", *models, *SMALL).returncode == ExitCode.OK
    assert list(Gallery.open(db).people) == ["Ann Lee", "Bo: ü\n", "Di"]
    assert "Di" in (db / "report.html").read_text()
    cv2.imwrite(str(tmp_path / "new.png"), draw_portrait(6)[..., ::-1])
    done = gallery("add", db, tmp_path / "new.png", *models, *SMALL, "--person", "Ann Lee", "--replace")
    assert done.returncode == ExitCode.OK
    assert Gallery.open(db).image_counts.tolist() == [1, 2, 1]
    done = gallery("report", db, "--out", tmp_path / "page.html")
    assert done.returncode == ExitCode.OK and (tmp_path / "page.html").exists()


def test_the_same_face_under_two_names_is_reported(
    gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    image = cv2.imread(str(people / "Ann Lee" / "0.png"))
    cv2.imwrite(str(people / "Cy" / "resaved.png"), cv2.convertScaleAbs(image, alpha=1, beta=1))
    summary = json.loads(gallery("build", people, *models, tmp_path / "db", *SMALL, "--json").stdout)
    assert {"person": "Cy", "photograph": "resaved.png"} in [
        image for pair in summary["same"] for image in pair["images"]
    ]


@pytest.mark.parametrize("place", ["missing", "empty", "flat", "file"])
def test_folders_of_nobody(
    gallery: Command, models: tuple[Path, Path], tmp_path: Path, place: str, draw_portrait: Callable[..., Any]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / "file").touch()
    cv2.imwrite(str(tmp_path / "flat" / "1.png"), draw_portrait(0))
    done = gallery("build", tmp_path / place, *models, tmp_path / "db", *SMALL)
    assert done.returncode == ExitCode.BAD_DATA
    assert "folder of photographs for each person" in done.stderr
    assert not (tmp_path / "db").exists()


def test_nobody_is_good_enough(gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    done = gallery("build", people, *models, tmp_path / "db")
    assert done.returncode == ExitCode.GALLERY
    assert "too small: 4.0 pixels between the eyes" in done.stderr
    assert not (tmp_path / "db").exists()


def test_a_report_without_room_is_made_again_and_the_gallery_kept(
    gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "db"
    monkeypatch.setattr("facejobs.gallery.report.write_report", no_room)
    done = gallery("build", people, *models, out, *SMALL)
    assert done.returncode == ExitCode.WRITE_FAILED
    assert f"{out}/report.html: No space left on device; the gallery is complete" in done.stderr
    assert "start the same command again" not in done.stderr
    assert len(Gallery.open(out).people) == 2


def test_what_is_there_already_is_refused_before_any_work(
    gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "mine").touch()
    done = gallery("build", people, "no-model", models[1], tmp_path / "db")
    assert done.returncode == ExitCode.OUTPUT_REFUSED
    assert [path.name for path in (tmp_path / "db").iterdir()] == ["mine"]


def test_a_gallery_among_the_photographs_is_refused(gallery: Command, people: Path, models: tuple[Path, Path]) -> None:
    assert gallery("build", people, *models, people / "db", *SMALL).returncode == ExitCode.USAGE
    assert not (people / "db").exists()


def test_models_that_are_none_or_give_no_landmarks(
    gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path, publish_spot_detector: Command
) -> None:
    blind = publish_spot_detector(tmp_path / "blind", landmarks=False)
    for pair in (("haar", models[1]), (blind, models[1]), (models[1], models[0]), (people, models[1])):
        assert gallery("build", people, *pair, tmp_path / "db").returncode == ExitCode.BAD_MODEL
    assert "gives no landmarks" in gallery("build", people, "haar", models[1], tmp_path / "db").stderr
    assert not (tmp_path / "db").exists()


def test_galleries_that_are_none(gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    for place in (tmp_path / "missing", people):
        assert gallery("add", place, people, *models).returncode == ExitCode.GALLERY
        assert gallery("report", place).returncode == ExitCode.GALLERY
    assert not (people / "gallery.lock").exists() and not (tmp_path / "missing").exists()


def test_a_name_that_strangers_have(gallery: Command, people: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    gallery("build", people, *models, tmp_path / "db", *SMALL)
    done = gallery("add", tmp_path / "db", people, *models, "--person", "Unknown")
    assert done.returncode == ExitCode.USAGE and "what strangers are called" in done.stderr


def test_kills_leave_no_gallery_or_a_whole_one(
    people: Path, models: tuple[Path, Path], tmp_path: Path, draw_portrait: Callable[..., Any]
) -> None:
    for number in range(40):
        cv2.imwrite(str(people / "Cy" / f"{number}.png"), draw_portrait(9, number)[..., ::-1])
    db = tmp_path / "db"
    command = [sys.executable, "-m", "facejobs.cli.main", "gallery", "build", people, *models, db, *SMALL]
    for delay in (0.0, 0.2):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(tmp_path.glob(".db.partial-*")):
                time.sleep(0.01)
            time.sleep(delay)
            process.kill()
        if db.exists():
            assert len(Gallery.open(db).people) == 3
            shutil.rmtree(db)
    subprocess.run(command, check=True, capture_output=True)
    assert len(Gallery.open(db).people) == 3
    assert not list(tmp_path.glob(".db.partial-*"))
