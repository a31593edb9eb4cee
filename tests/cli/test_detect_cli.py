"""`facejobs detect` from the command line, with good input and with bad."""

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from facejobs.errors import ExitCode

ROTATED = 6
"""EXIF orientation: the stored pixels are to be turned a quarter clockwise."""


Detect = Callable[..., Any]


@pytest.fixture
def detect(facejobs: Callable[..., Any]) -> Detect:
    """Runs `facejobs detect` with the given arguments, through the whole command line."""
    return partial(facejobs, "detect")


@pytest.fixture
def model(publish_spot_detector: Callable[..., Path], tmp_path: Path) -> Path:
    """The output of a run, whose model finds white spots."""
    publish_spot_detector(tmp_path / "run" / "model")
    return tmp_path / "run"


def spot(height: int = 64, width: int = 96, top: int = 8, left: int = 16) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + 8, left : left + 8] = 255
    return image


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """One photograph with a face, one without, one that is damaged and one that is empty."""
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    jpeg = simplejpeg.encode_jpeg(spot(), quality=98, colorsubsampling="444")
    (folder / "face.jpg").write_bytes(jpeg)
    (folder / "more" / "black.png").write_bytes(cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes())
    (folder / "damaged.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "empty.jpg").touch()
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_faces_are_printed_and_the_rest_is_done_past_unreadable_files(
    detect: Detect, model: Path, photographs: Path
) -> None:
    done = detect(model, photographs)
    assert done.returncode == ExitCode.BAD_DATA
    lines = done.stdout.splitlines()
    assert lines[0] == f"{photographs}/face.jpg  96x64  1 face"
    box_and_score = [float(text) for text in lines[1].split()[:5]]
    assert box_and_score == pytest.approx([12, 4, 28, 20, 0.9999], abs=0.2)
    assert lines[1].split()[5:] == ["18,12", "22,12", "20,13", "18,14", "22,14"]
    assert lines[2:] == [f"{photographs}/more/black.png  1x1  0 faces"]
    assert f"skipped: {photographs}/damaged.jpg: a damaged JPEG image" in done.stderr
    assert f"skipped: {photographs}/empty.jpg: the image is empty" in done.stderr
    assert done.stderr.endswith("error: 2 of 4 photographs could not be read; the others are done\n")


def test_a_name_of_a_photograph_does_not_steer_the_terminal(
    detect: Detect, model: Path, photographs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (photographs / "face.jpg").rename(folder / "\x1b[31mface.jpg")
    (folder / "\x1b[2J\nempty.jpg").touch()
    done = detect(model, folder)
    assert f"{folder}/\\x1b[31mface.jpg  96x64  1 face\n" in done.stdout
    assert f"skipped: {folder}/\\x1b[2J\\nempty.jpg: the image is empty (0 bytes)\n" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_json_has_a_line_for_every_photograph(detect: Detect, model: Path, photographs: Path) -> None:
    done = detect(model, photographs, "--json")
    damaged, empty, face, black = (json.loads(line) for line in done.stdout.splitlines())
    assert face["path"] == str(photographs / "face.jpg")
    assert (face["width"], face["height"]) == (96, 64)
    (found,) = face["faces"]
    assert found["box"] == pytest.approx([12, 4, 28, 20], abs=0.1)
    assert found["score"] == pytest.approx(0.9999, abs=1e-3)
    assert np.shape(found["landmarks"]) == (5, 2)
    assert black["faces"] == []
    assert "damaged JPEG" in damaged["error"]
    assert empty == {
        "path": str(photographs / "empty.jpg"),
        "error": f"{photographs}/empty.jpg: the image is empty (0 bytes)",
    }
    assert done.returncode == ExitCode.BAD_DATA


def test_pictures_are_drawn_into_a_new_folder(detect: Detect, model: Path, photographs: Path, tmp_path: Path) -> None:
    before = contents(photographs)
    out = tmp_path / "pictures"
    detect(model, photographs, "--draw", out)
    assert sorted(path.relative_to(out).as_posix() for path in contents(out)) == ["face.jpg", "more/black.png"]
    picture = cv2.imread(str(out / "face.jpg"))
    # A green line at the left of the face, in BGR.
    assert picture[12, 12, 1] > 200 > picture[12, 12, 0]
    assert contents(photographs) == before


def test_pictures_may_go_below_the_photographs_and_are_not_looked_at(
    detect: Detect, model: Path, photographs: Path
) -> None:
    before = contents(photographs)
    detect(model, photographs, "--draw", photographs / "drawn")
    after = contents(photographs)
    assert before.items() <= after.items()
    assert {path.relative_to(photographs / "drawn").as_posix() for path in after.keys() - before.keys()} == {
        "face.jpg",
        "more/black.png",
    }


@pytest.mark.parametrize("out", ["photographs", "photographs/face.jpg", "photographs/more"])
def test_an_output_that_exists_is_refused(detect: Detect, model: Path, photographs: Path, out: str) -> None:
    before = contents(photographs)
    for given in (photographs, photographs / "face.jpg"):
        done = detect(model, given, "--draw", photographs.parent / out)
        assert done.returncode == ExitCode.OUTPUT_REFUSED
        assert done.stdout == ""
    assert contents(photographs) == before


def test_one_photograph_may_be_drawn_into_a_file(detect: Detect, model: Path, photographs: Path) -> None:
    target = photographs.parent / "new" / "picture.png"
    done = detect(model, photographs / "face.jpg", "--draw", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert cv2.imread(str(target)).shape == (64, 96, 3)
    assert detect(model, photographs / "face.jpg", "--draw", target).returncode == ExitCode.OUTPUT_REFUSED


def test_a_photograph_of_any_name_is_drawn_as_jpeg(detect: Detect, model: Path, photographs: Path) -> None:
    (photographs / "face.jpg").rename(photographs / "face")
    out = photographs.parent / "out"
    assert detect(model, photographs / "face", "--draw", out).returncode == 0
    assert [path.name for path in out.iterdir()] == ["face.jpg"]


def test_nothing_is_left_where_no_photograph_could_be_read(detect: Detect, model: Path, photographs: Path) -> None:
    (photographs / "face.jpg").unlink()
    (photographs / "more" / "black.png").unlink()
    out = photographs.parent / "out"
    done = detect(model, photographs, "--draw", out)
    assert done.returncode == ExitCode.BAD_DATA
    assert done.stderr.endswith("no photograph could be read\n")
    assert not out.exists()


def encoded(image: np.ndarray, mode: str, kind: str, orientation: int = 1) -> bytes:
    """An image file of Pillow's `mode`, stored so that `orientation` turns it upright."""
    if orientation == ROTATED:
        image = np.rot90(image)
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).convert(mode).save(file, kind, exif=exif.tobytes(), quality=98, subsampling=0)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind", "orientation"),
    [
        ("L", "jpeg", 1),
        ("CMYK", "jpeg", 1),
        ("RGB", "jpeg", ROTATED),
        ("RGBA", "png", 1),
        ("P", "png", 1),
        ("1", "png", 1),
    ],
)
def test_photographs_of_all_kinds(
    detect: Detect, model: Path, tmp_path: Path, mode: str, kind: str, orientation: int
) -> None:
    path = tmp_path / f"photograph.{kind}"
    path.write_bytes(encoded(spot(), mode, kind, orientation))
    done = detect(model, path, "--json", "--draw", tmp_path / "picture.png")
    result = json.loads(done.stdout)
    assert (result["width"], result["height"]) == (96, 64)
    (face,) = result["faces"]
    assert face["box"] == pytest.approx([12, 4, 28, 20], abs=0.1)
    assert cv2.imread(str(tmp_path / "picture.png")).shape == (64, 96, 3)


def test_a_photograph_of_16_bits(detect: Detect, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(cv2.imencode(".png", spot().astype(np.uint16) * 257)[1].tobytes())
    (face,) = json.loads(detect(model, path, "--json").stdout)["faces"]
    assert face["box"] == pytest.approx([12, 4, 28, 20], abs=0.1)


def test_a_huge_photograph_is_done_and_its_faces_are_in_its_own_pixels(
    detect: Detect, model: Path, tmp_path: Path
) -> None:
    image = np.zeros((9000, 12000), np.uint8)
    image[3200:4000, 6400:7200] = 255
    path = tmp_path / "huge.jpg"
    path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    result = json.loads(detect(model, path, "--json", "--scale", "short-90").stdout)
    assert (result["width"], result["height"]) == (12000, 9000)
    (face,) = result["faces"]
    assert face["box"] == pytest.approx([6000, 2800, 7600, 4400], abs=1)


def test_the_score_and_the_scale_that_are_asked_for(detect: Detect, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    path.write_bytes(cv2.imencode(".png", spot() // 255 * 180)[1].tobytes())
    assert json.loads(detect(model, path, "--json").stdout)["faces"] == []
    (face,) = json.loads(detect(model, path, "--json", "--score", 0.1).stdout)["faces"]
    assert 0.1 < face["score"] < 0.5
    assert detect(model, path, "--scale", "short-0").returncode == ExitCode.USAGE
    assert detect(model, path, "--score", "nan").returncode == ExitCode.USAGE


def test_models_that_are_none_are_refused(detect: Detect, model: Path, photographs: Path) -> None:
    for name in ("hear", photographs, photographs / "face.jpg"):
        assert detect(name, photographs).returncode == ExitCode.BAD_MODEL
    (model / "model" / "model.onnx").write_bytes(b"")
    assert "model.onnx is 0 bytes long" in detect(model, photographs).stderr


@pytest.mark.parametrize("place", ["missing.jpg", "none"])
def test_places_without_photographs(detect: Detect, model: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "none").mkdir()
    done = detect(model, tmp_path / place, "--draw", tmp_path / "out")
    assert done.returncode == ExitCode.BAD_DATA
    assert not (tmp_path / "out").exists()


def test_the_cascade_of_opencv_by_its_name(detect: Detect, photographs: Path) -> None:
    done = detect("haar", photographs / "face.jpg", "--json")
    assert json.loads(done.stdout)["faces"] == []
