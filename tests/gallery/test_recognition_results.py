"""Results as files: what is read back is what was said, and no name becomes a formula."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.gallery.decision import RecognisedPerson
from facejobs.gallery.recognition_pictures import RecognitionPictures, draw_people
from facejobs.gallery.recognition_results import cell, recognition_results
from facejobs.inference.face_pipeline import DescribedFace, DescribedPhotograph

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


def photograph_of(*boxes: tuple[float, float, float, float], size: int = 200) -> DescribedPhotograph:
    faces = []
    for box in boxes:
        left, top, right, bottom = box
        x, y = (right - left) / 4, (bottom - top) / 4
        points = [(left + x, top + y), (right - x, top + y), (left + 2 * x, top + 2 * y)]
        points += [(left + x, bottom - y), (right - x, bottom - y)]
        landmarks = np.array(points, np.float32)
        pixels = np.zeros((112, 112, 3), np.uint8)
        faces.append(DescribedFace(np.array(box, np.float32), 0.9, landmarks, np.zeros(4, np.float32), pixels))
    return DescribedPhotograph(size, size, tuple(faces))


def person(name: str, recognised: bool = True) -> RecognisedPerson:
    shown = name if recognised else "unknown"
    return RecognisedPerson(shown, recognised, name, 0.61234, 0.98765, "another", -0.12345)


def written(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return lines, list(csv.DictReader(file))


def test_every_face_is_a_row_and_every_photograph_a_line(tmp_path: Path) -> None:
    nobody = RecognisedPerson("unknown", recognised=False)
    with recognition_results(tmp_path, Path("in")) as results:
        two = photograph_of((1.234, 2, 30, 40), (50, 60, 70, 90))
        line = results.add(Path("in/a/1.jpg"), two, [person("Ann"), nobody])
        results.add(Path("in/2.jpg"), photograph_of(), [])
        results.add_problem(Path("in/3.jpg"), DataError("in/3.jpg: torn"))
    lines, rows = written(tmp_path)
    assert lines[0] == line
    assert [line["photograph"] for line in lines] == ["a/1.jpg", "2.jpg", "3.jpg"]
    assert lines[1]["faces"] == [] and lines[2]["error"] == "in/3.jpg: torn"
    assert (lines[0]["faces"][0]["name"], lines[0]["faces"][0]["similarity"]) == ("Ann", 0.6123)
    assert lines[0]["faces"][1] == {
        **dict.fromkeys(("best", "similarity", "probability", "runner_up", "margin")),
        "name": "unknown",
        "recognised": False,
        "score": 0.9,
        "box": [50, 60, 70, 90],
        "landmarks": [[55, 67.5], [65, 67.5], [60, 75], [55, 82.5], [65, 82.5]],
    }
    assert [(row["photograph"], row["face"], row["name"]) for row in rows] == [
        ("a/1.jpg", "1", "Ann"),
        ("a/1.jpg", "2", "unknown"),
    ]
    assert (rows[0]["x1"], rows[0]["margin"], rows[0]["probability"]) == ("1.23", "-0.1235", "0.9877")
    assert (rows[1]["similarity"], rows[1]["best"], rows[1]["right_mouth_y"]) == ("", "", "82.5")
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {metric["name"]: metric["value"] for metric in metrics} == {
        "photographs": 3, "unread_photographs": 1, "faces": 2, "recognised_faces": 1,
    }  # fmt: skip


@given(NAMES, NAMES)
def test_names_come_back_and_none_is_a_formula(tmp_path_factory: pytest.TempPathFactory, name: str, file: str) -> None:
    folder = tmp_path_factory.mktemp("results")
    file = file.replace("/", "-").strip(".") or "x"
    with recognition_results(folder, Path("in")) as results:
        results.add(Path("in") / file, photograph_of((1, 2, 30, 40)), [person(name)])
    (line,), (row,) = written(folder)
    assert (line["faces"][0]["name"], line["photograph"]) == (name, file)
    for text, shown in ((name, row["name"]), (file, row["photograph"])):
        assert shown.removeprefix("'") == text.removeprefix("'") or shown == text
        assert shown.lstrip()[:1] not in {"=", "+", "-", "@"} and shown[:1] not in {"\t", "\r", "\n"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=cmd|' /C calc'!A0"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Ann Lee", "O'Neill", "a=b", "Çelik, İ.", "名前", "1.jpg"])
def test_other_names_are_left_as_they_are(text: str) -> None:
    assert cell(text) == text


def test_a_file_name_that_is_no_text_is_written_with_escapes(tmp_path: Path) -> None:
    with recognition_results(tmp_path, Path("in")) as results:
        results.add(Path(os.fsdecode(b"in/\xff.jpg")), photograph_of((1, 2, 30, 40)), [person("Ann")])
    (line,), (row,) = written(tmp_path)
    assert os.fsencode(line["photograph"]) == b"\xff.jpg" and row["photograph"] == "\\udcff.jpg"


def test_no_counts_are_written_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), recognition_results(tmp_path, Path("in")):
        raise RuntimeError
    assert not (tmp_path / "metrics.jsonl").exists()


def test_names_are_drawn_where_they_hide_no_face() -> None:
    image = np.full((200, 200, 3), 90, np.uint8)
    photograph = photograph_of((10, 60, 60, 120), (140, 60, 190, 120))
    drawn = draw_people(image, photograph, [person("Çelik"), person("Bo", recognised=False)])
    assert (image == 90).all()
    changed = (drawn != 90).any(axis=2)
    for left, colour in ((10, (60, 255, 90)), (140, (255, 170, 60))):
        label = drawn[35:58, left : left + 40].reshape(-1, 3)
        assert (label == 0).all(axis=1).any() and (label == colour).all(axis=1).any()
    # Inside a box, away from its edge and its landmarks, nothing is drawn.
    assert not changed[95:100, 26:30].any()


@pytest.mark.parametrize("name", ["名前", "عمر", "Ann\nLee", "x" * 300, "🙂", "a\u0301\u0302\u0303"])
def test_any_name_can_be_drawn(name: str) -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    drawn = draw_people(image, photograph_of((5, 60, 60, 120)), [person(name)])
    assert drawn.shape == image.shape and drawn[30:58].any()


def test_long_names_are_shortened_where_they_meet() -> None:
    image = np.full((200, 200, 3), 90, np.uint8)
    two = photograph_of((10, 60, 80, 140), (110, 60, 180, 140))
    drawn = draw_people(image, two, [person("Ann " * 9), person("Bo " * 9)])
    for box in two.faces:
        left, top = box.box[:2].astype(int)
        bottom = int(box.box[3])
        beside = np.concatenate(
            [drawn[top - 25 : top - 4, left : left + 60], drawn[bottom + 4 : bottom + 25, left : left + 60]]
        )
        assert (beside == (60, 255, 90)).all(axis=2).any()


def test_where_no_place_is_left_a_name_is_left_out() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    whole = photograph_of((0, 0, 64, 64), size=64)
    drawn = draw_people(image, whole, [person("Ann")])
    assert drawn.any()


def test_pictures_have_the_places_of_their_photographs(tmp_path: Path) -> None:
    import cv2

    (tmp_path / "in" / "a").mkdir(parents=True)
    image = np.full((200, 200, 3), 90, np.uint8)
    encoded = cv2.imencode(".png", image)[1].tobytes()
    for name in ("a/1.png", "2", "3.JPG"):
        (tmp_path / "in" / name).write_bytes(encoded)
        pictures = RecognitionPictures(tmp_path / "out", tmp_path / "in")
        pictures.add(tmp_path / "in" / name, photograph_of((40, 60, 90, 120)), [person("Ann")])
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert found == ["2.jpg", "3.JPG", "a/1.png"]
    assert all(cv2.imread(str(tmp_path / "out" / name)).shape == (200, 200, 3) for name in found)
