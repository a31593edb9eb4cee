"""`facejobs recognise` and `facejobs gallery calibrate` from the command line, with good input and with bad."""

import csv
import errno
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

from facejobs.errors import ExitCode

PEOPLE = ("Ann Lee", "Bo", "=cmd()")
STRANGERS = 40


@dataclass
class World:
    """A gallery of three people, the models that made it, and photographs of them and of strangers."""

    folder: Path
    facejobs: Callable[..., Any]

    @property
    def models(self) -> tuple[Path, Path]:
        return self.folder / "detector", self.folder / "recogniser"

    @property
    def gallery(self) -> Path:
        return self.folder / "gallery"

    @property
    def labelled(self) -> Path:
        return self.folder / "labelled"

    def calibrate(self, *options: object) -> Any:
        detector, recogniser = self.models
        models = ("--photographs", self.labelled, "--detector", detector, "--recogniser", recogniser)
        return self.facejobs("gallery", "calibrate", self.gallery, *models, *options)

    def recognise(self, photographs: Path, *options: object) -> Any:
        return self.facejobs("recognise", photographs, self.gallery, *self.models, self.folder / "out", *options)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "out" / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def _drawn_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture
def world(
    _drawn_world: Path,
    tmp_path: Path,
    facejobs: Callable[..., Any],
    publish_spot_detector: Callable[..., Path],
    publish_block_recogniser: Callable[..., Path],
    draw_portrait: Callable[..., Any],
) -> World:
    made = World(_drawn_world, facejobs)
    if not made.gallery.exists():
        publish_spot_detector(made.folder / "detector")
        publish_block_recogniser(made.folder / "recogniser")
        for number, person in enumerate(PEOPLE):
            for photograph in range(4):
                place = made.folder / "people" if photograph < 2 else made.labelled
                _save(place / person / f"{photograph}.png", draw_portrait(number, photograph, noise=30))
        for number in range(STRANGERS):
            _save(made.labelled / "unknown" / f"{number}.png", draw_portrait(100 + number))
        lax = ("--min-eye-distance", 3, "--max-blur", 1, "--max-pitch", 90, "--no-pictures")
        done = facejobs("gallery", "build", made.folder / "people", *made.models, made.gallery, *lax)
        assert done.returncode == 0, done.stderr
    shutil.copytree(made.folder, tmp_path / "world")
    return World(tmp_path / "world", facejobs)


def _save(path: Path, image: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


def test_calibrated_once_it_tells_known_people_from_strangers(world: World) -> None:
    done = world.calibrate("--far", 0.1, "--out", world.folder / "calibration")
    assert done.returncode == 0, done.stderr
    assert "of 40 faces of 40 strangers are named" in done.stdout and "Platt scaling" in done.stdout
    assert sorted(path.name for path in (world.folder / "calibration").iterdir()) == [
        "calibration.json", "reliability.png", "trials.npz",
    ]  # fmt: skip
    done = world.recognise(world.labelled, "--draw")
    assert (done.returncode, done.stderr) == (0, "")
    results = {line["photograph"]: line["faces"] for line in world.lines()}
    assert len(results) == 46
    for person in PEOPLE:
        for number in (2, 3):
            (face,) = results[f"{person}/{number}.png"]
            assert (face["name"], face["best"]) == (person, person) and face["probability"] > 0.5
            assert face["margin"] > 0 and face["runner_up"] in PEOPLE
    named = [faces for path, faces in results.items() if path.startswith("unknown/") and faces[0]["recognised"]]
    assert len(named) <= 0.1 * STRANGERS
    assert len(list((world.folder / "out" / "pictures").rglob("*.png"))) == 46
    with (world.folder / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows if row["photograph"].startswith("'=")} == {"'=cmd()"}
    decision = json.loads((world.folder / "out" / "decision.json").read_text())
    assert (decision["source"], decision["rule"], decision["gallery"]["people"]) == ("calibration", "mean", 3)


def test_a_gallery_in_storage_is_calibrated_as_a_copy(world: World) -> None:
    """As docs/how-to/recognise-people.md says."""
    version, calibrated = world.folder / "store" / "V0001", world.folder / "store" / "calibrated"
    assert world.facejobs("storage", "put", world.gallery, version).returncode == 0
    shutil.rmtree(world.gallery)
    before = {path.name: path.read_bytes() for path in version.iterdir()}
    assert world.facejobs("storage", "get", version, world.gallery).returncode == 0
    assert world.calibrate("--far", 0.1).returncode == 0
    assert world.facejobs("storage", "put", world.gallery, calibrated).returncode == 0
    assert {path.name: path.read_bytes() for path in version.iterdir()} == before
    shutil.rmtree(world.gallery)
    assert world.facejobs("storage", "get", calibrated, world.gallery).returncode == 0
    assert world.facejobs("gallery", "verify", world.gallery).returncode == 0
    assert world.recognise(world.labelled / "Bo").returncode == 0
    assert json.loads((world.folder / "out" / "decision.json").read_text())["source"] == "calibration"


def test_json_for_scripts(world: World) -> None:
    calibration = json.loads(world.calibrate("--far", 0.1, "--json").stdout)
    assert calibration["threshold"]["target"] == 0.1 and calibration["source"] == "photographs"
    done = world.recognise(world.labelled / "Bo", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines == world.lines() and [line["photograph"] for line in lines] == ["2.png", "3.png"]


def test_without_calibration_so_few_images_name_nobody(world: World) -> None:
    done = world.recognise(world.labelled)
    assert done.returncode == ExitCode.GALLERY
    assert "nothing says yet how similar" in done.stderr and not (world.folder / "out").exists()
    done = world.recognise(world.labelled / "Bo" / "2.png", "--threshold", 0.9)
    assert done.returncode == 0 and "as given" in done.stdout
    assert [face["name"] for line in world.lines() for face in line["faces"]] == ["Bo"]


def test_a_rate_that_so_few_strangers_say_nothing_of_is_refused(world: World) -> None:
    done = world.calibrate("--far", 0.001, "--out", world.folder / "calibration")
    assert done.returncode == ExitCode.BAD_DATA
    assert "at least 3,000 strangers' faces" in done.stderr and "ask for 0.075 or more" in done.stderr
    assert not (world.folder / "calibration").exists()
    assert '"calibration": null' in (world.gallery / "gallery.json").read_text()


def test_inside_the_gallery_with_a_warning(world: World) -> None:
    done = world.facejobs("gallery", "calibrate", world.gallery, "--far", 0.5)
    assert done.returncode == 0, done.stderr
    assert "the gallery's own images" in done.stderr and "of 3 people only" in done.stderr
    assert "its own images only" in world.recognise(world.labelled / "Bo").stderr


def test_without_strangers_known_people_are_tried_instead_with_a_warning(world: World) -> None:
    shutil.rmtree(world.labelled / "unknown")
    refused = world.calibrate("--far", 0.1)
    assert refused.returncode == ExitCode.BAD_DATA and "there are 6 (of known people" in refused.stderr
    done = world.calibrate("--far", 0.5, "--out", world.folder / "calibration")
    assert done.returncode == 0, done.stderr
    assert "of 6 faces of 3 known people, each tried against everybody else, are named" in done.stdout
    assert "no photograph shows a stranger" in done.stderr
    kept = json.loads((world.folder / "calibration" / "calibration.json").read_text())
    assert kept["threshold"]["known_as_strangers"] is True
    assert "calibrated without strangers" in world.recognise(world.labelled / "Bo").stderr


def test_a_rate_needs_so_many_strangers_however_many_known_people_there_are(world: World) -> None:
    for number in range(11):
        (world.labelled / "unknown" / f"{number}.png").unlink()
    done = world.calibrate("--far", 0.1)
    assert done.returncode == ExitCode.BAD_DATA and "there are 29; ask for 0.11 or more" in done.stderr


def test_aligned_faces_need_no_detector(world: World) -> None:
    faces = world.folder / "faces" / "somebody"
    for number, path in enumerate(sorted((world.labelled / "unknown").iterdir())):
        _save(faces / f"{number}.png", cv2.resize(cv2.imread(str(path)), (112, 112)))
    options = ("--photographs", faces.parent, "--aligned", "--recogniser", world.models[1], "--far", 0.1)
    done = world.facejobs("gallery", "calibrate", world.gallery, *options)
    assert done.returncode == 0, done.stderr
    assert "no photograph counts for a person of the gallery" in done.stderr
    assert "of 1 person only" in done.stderr
    assert world.recognise(world.labelled / "Bo").returncode == 0
    assert all(face["probability"] is None for line in world.lines() for face in line["faces"])


def test_enrolled_photographs_do_not_count(world: World) -> None:
    shutil.copytree(world.folder / "people", world.labelled, dirs_exist_ok=True)
    done = world.calibrate("--far", 0.1)
    assert "6 of 52 photographs are enrolled in the gallery" in done.stderr and "they are left out" in done.stderr
    assert "of 6 faces of 3 known people" in done.stdout and "of 40 faces of 40 strangers" in done.stdout
    for person in PEOPLE:
        shutil.rmtree(world.labelled / person)
    shutil.copytree(world.folder / "people", world.labelled, dirs_exist_ok=True)
    assert "no photograph counts for a person of the gallery" in world.calibrate("--far", 0.1).stderr


@pytest.mark.parametrize("rule", ["image", "knn"])
def test_other_rules(world: World, rule: str) -> None:
    assert world.calibrate("--far", 0.1, "--rule", rule, "--neighbours", 2).returncode == 0
    assert world.recognise(world.labelled / "Bo").returncode == 0
    assert [face["name"] for line in world.lines() for face in line["faces"]] == ["Bo", "Bo"]
    shutil.rmtree(world.folder / "out")
    done = world.recognise(world.labelled / "Bo", "--rule", "mean")
    assert done.returncode == ExitCode.GALLERY and "says nothing of the rule mean" in done.stderr


def test_photographs_that_cannot_be_read_are_named_and_the_others_done(world: World) -> None:
    world.calibrate("--far", 0.1)
    (world.labelled / "Bo" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (world.labelled / "Bo" / "empty\x1b[2J.png").write_bytes(b"")
    done = world.recognise(world.labelled / "Bo")
    assert done.returncode == ExitCode.BAD_DATA
    assert "empty\\x1b[2J.png: the image is empty" in done.stderr and "\x1b" not in done.stderr
    assert done.stderr.count("skipped: ") == 2 and "2 of 4 photographs could not be read" in done.stderr
    assert [sorted(line)[0] for line in world.lines()] == ["faces", "faces", "error", "error"]
    shutil.rmtree(world.folder / "out")
    done = world.recognise(world.labelled / "Bo" / "torn.jpg")
    assert done.returncode == ExitCode.BAD_DATA and not (world.folder / "out").exists()


def test_a_photograph_without_faces_and_one_with_many(world: World, draw_portrait: Callable[..., Any]) -> None:
    _save(world.folder / "more" / "none.png", draw_portrait(0, spots=0))
    _save(world.folder / "more" / "many.png", draw_portrait(0, spots=17))
    assert world.recognise(world.folder / "more", "--threshold", 0.9, "--draw").returncode == 0
    assert [len(line["faces"]) for line in world.lines()] == [17, 0]


def test_a_gallery_that_other_models_made_is_refused(
    world: World, publish_block_recogniser: Callable[..., Path], publish_spot_detector: Callable[..., Path]
) -> None:
    other = publish_block_recogniser(world.folder / "other", scale=1 / 64)
    done = world.facejobs("recognise", world.labelled, world.gallery, world.models[0], other, world.folder / "out")
    assert done.returncode == ExitCode.GALLERY and "made by the recogniser" in done.stderr
    options = ("--photographs", world.labelled, "--recogniser", other, "--far", 0.1)
    done = world.facejobs("gallery", "calibrate", world.gallery, *options, "--detector", world.models[0])
    assert done.returncode == ExitCode.GALLERY
    assert world.facejobs("gallery", "calibrate", world.gallery, *options, "--aligned").returncode == ExitCode.GALLERY
    blind = publish_spot_detector(world.folder / "blind", landmarks=False)
    done = world.facejobs("recognise", world.labelled, world.gallery, blind, world.models[1], world.folder / "out")
    assert done.returncode == ExitCode.BAD_MODEL and not (world.folder / "out").exists()
    done = world.facejobs("recognise", world.labelled, world.gallery, "haar", world.models[1], world.folder / "out")
    assert done.returncode == ExitCode.BAD_MODEL and "gives no landmarks" in done.stderr


def test_results_that_are_there_stay(world: World) -> None:
    (world.folder / "out").mkdir()
    (world.folder / "out" / "kept").write_text("kept")
    done = world.recognise(world.labelled, "--threshold", 0.9)
    assert done.returncode == ExitCode.OUTPUT_REFUSED
    assert [path.name for path in (world.folder / "out").iterdir()] == ["kept"]


@pytest.mark.parametrize("place", ["missing.jpg", "empty"])
def test_places_without_photographs(world: World, place: str) -> None:
    (world.folder / "empty").mkdir()
    done = world.recognise(world.folder / place, "--threshold", 0.9)
    assert done.returncode == ExitCode.BAD_DATA and not (world.folder / "out").exists()
    options = ("--photographs", world.folder / place, "--recogniser", world.models[1], "--far", 0.1, "--aligned")
    assert world.facejobs("gallery", "calibrate", world.gallery, *options).returncode == ExitCode.BAD_DATA


@pytest.mark.parametrize(
    "options",
    [
        ("--far", 0),
        ("--far", 1),
        ("--far", "nan"),
        ("--far", 0.1, "--detector", "a"),
        ("--far", 0.1, "--aligned"),
        ("--far", 0.1, "--photographs", "a"),
        ("--far", 0.1, "--photographs", "a", "--recogniser", "b"),
        ("--far", 0.1, "--photographs", "a", "--recogniser", "b", "--detector", "c", "--aligned"),
        ("--far", 0.1, "--rule", "median"),
        ("--far", 0.1, "--scale", "short-0", "--photographs", "a", "--recogniser", "b", "--detector", "c"),
        (),
    ],
)
def test_calibrations_that_cannot_be_asked_for(world: World, options: tuple[object, ...]) -> None:
    assert world.facejobs("gallery", "calibrate", world.gallery, *options).returncode == ExitCode.USAGE


@pytest.mark.parametrize("options", [("--threshold", 2), ("--threshold", "nan"), ("--rule", "x"), ("--scale", "big")])
def test_recognitions_that_cannot_be_asked_for(world: World, options: tuple[object, ...]) -> None:
    assert world.recognise(world.labelled, *options).returncode == ExitCode.USAGE
    assert not (world.folder / "out").exists()


@pytest.mark.parametrize("inside", [".", "results", "Bo/deeper/results", "../link/results"])
def test_results_among_the_photographs_are_refused(world: World, inside: str) -> None:
    (world.folder / "link").symlink_to(world.labelled)
    before = sorted(world.labelled.rglob("*"))
    place = (world.labelled, world.gallery, *world.models)
    done = world.facejobs("recognise", *place, world.labelled / inside, "--threshold", 0.9, "--draw")
    assert done.returncode == ExitCode.USAGE and "outside the photographs" in done.stderr
    assert sorted(world.labelled.rglob("*")) == before


def test_results_beside_the_photographs_are_not_among_them(world: World) -> None:
    outside = world.labelled / ".." / "labelled results"
    done = world.facejobs("recognise", world.labelled / "Bo", world.gallery, *world.models, outside, "--threshold", 0.9)
    assert done.returncode == 0 and (outside / "results.jsonl").exists()


@pytest.mark.parametrize(("failure", "code"), [(OSError(errno.ENOSPC, "No space left on device"), 8), (None, 130)])
def test_what_ends_early_leaves_nothing(
    world: World, failure: OSError | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facejobs.gallery.recognition_results import RecognitionResults

    whole = RecognitionResults.add

    def fail(self: RecognitionResults, path: Path, *rest: Any) -> dict[str, Any]:
        if path.name == "3.png":
            raise failure or SystemExit(130)
        return whole(self, path, *rest)

    monkeypatch.setattr(RecognitionResults, "add", fail)
    before = sorted(world.folder.iterdir())
    done = world.recognise(world.labelled, "--threshold", 0.9, "--draw")
    assert done.returncode == code
    assert sorted(world.folder.iterdir()) == before


def test_sigterm_leaves_nothing(world: World) -> None:
    for number in range(400):
        shutil.copy(world.labelled / "Bo" / "2.png", world.labelled / "Bo" / f"copy {number}.png")
    before = sorted(world.folder.iterdir())
    command = [sys.executable, "-m", "facejobs.cli.main", "recognise", world.labelled, world.gallery, *world.models]
    with subprocess.Popen([*command, world.folder / "out", "--threshold", "0.9"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 143
    deadline = time.monotonic() + 5
    while sorted(world.folder.iterdir()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(world.folder.iterdir()) == before
