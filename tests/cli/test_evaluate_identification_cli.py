"""`facejobs evaluate identification` from the command line, with good input and with bad."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facejobs.errors import ExitCode
from facejobs.gallery.build import Enroller, build_gallery
from facejobs.gallery.enrolment import find_enrolment
from facejobs.gallery.face_quality import QualityLimits
from facejobs.inference.face_pipeline import FacePipeline

Evaluate = Callable[..., Any]


@pytest.fixture
def evaluate(facejobs: Callable[..., Any]) -> Evaluate:
    """Runs `facejobs evaluate identification` with the given arguments, through the whole command line."""
    return partial(facejobs, "evaluate", "identification")


@pytest.fixture
def detector(publish_spot_detector: Callable[..., Path], tmp_path: Path) -> Path:
    return publish_spot_detector(tmp_path / "detector")


@pytest.fixture
def recogniser(publish_block_recogniser: Callable[..., Path], tmp_path: Path) -> Path:
    return publish_block_recogniser(tmp_path / "recogniser")


@pytest.fixture
def query(tmp_path: Path, draw_portrait: Callable[..., Any]) -> Path:
    """Two probes of each of two people, one of them without a face, and twelve strangers."""
    folder = tmp_path / "query"
    for person, name in enumerate(("Ann Lee", "Bo")):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            spots = 0 if (person, number) == (1, 1) else 1
            cv2.imwrite(str(folder / name / f"{number}.png"), draw_portrait(person, 5 + number, spots)[..., ::-1])
    (folder / "unknown").mkdir()
    for stranger in range(12):
        cv2.imwrite(str(folder / "unknown" / f"{stranger:02}.png"), draw_portrait(50 + stranger)[..., ::-1])
    return folder


@pytest.fixture
def gallery(detector: Path, recogniser: Path, tmp_path: Path, draw_portrait: Callable[..., Any]) -> Path:
    people = tmp_path / "people"
    for person, name in enumerate(("Ann Lee", "Bo", "Çelik")):
        (people / name).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(people / name / f"{number}.png"), draw_portrait(person, number)[..., ::-1])
    limits = QualityLimits(least_eye_distance=3, most_blur=1, most_pitch=90)
    build_gallery(
        find_enrolment(people), tmp_path / "gallery", Enroller(FacePipeline.open(detector, recogniser), limits)
    )
    return tmp_path / "gallery"


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Aligned faces of two people, and of strangers, to enrol and to search for."""
    generator = np.random.default_rng(1)
    for person in ("Ann Lee", "Bo", *(f"stranger {number}" for number in range(10))):
        face = generator.integers(0, 255, (7, 7, 3)).astype(np.uint8)
        for root, numbers in (("enrol", range(2)), ("probe", range(2, 5))):
            if root == "enrol" and person.startswith("stranger"):
                continue
            folder = tmp_path / "crops" / root / person
            folder.mkdir(parents=True)
            for number in numbers:
                picture = cv2.resize(face, (112, 112), interpolation=cv2.INTER_NEAREST)
                noisy = np.clip(picture + np.random.default_rng(number).integers(-9, 9, picture.shape), 0, 255)
                cv2.imwrite(str(folder / f"{number}.png"), noisy.astype(np.uint8))
    return tmp_path / "crops"


def test_a_gallery_is_measured(evaluate: Evaluate, gallery: Path, query: Path, detector: Path, recogniser: Path,
                               tmp_path: Path) -> None:  # fmt: skip
    done = evaluate(gallery, query, detector, recogniser, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 people enrolled\n  probes of them 4 photographs of 2 people, without a face 1\n" in done.stdout
    assert "of strangers   12 photographs of 12 people\n" in done.stdout
    assert "rank-1 accuracy    0.7500" in done.stdout
    assert "FNIR at FPIR 0.1   0.2500" in done.stdout and "* the threshold rests on fewer than 30" in done.stdout
    assert "Bo: 1 of 2 photographs (1 without a face)" in done.stdout
    assert "fnir_at_fpir_1e-2: not measured, 12 photographs of strangers, 100 needed" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cmc.png", "det.png", "metrics.jsonl", "params.json", "people.csv", "results.json", "searches.json",
    ]  # fmt: skip


def test_json_and_the_folder_of_results_agree(evaluate: Evaluate, gallery: Path, query: Path, detector: Path,
                                              recogniser: Path, tmp_path: Path) -> None:  # fmt: skip
    done = evaluate(gallery, query, detector, recogniser, "--json", "--out", tmp_path / "out", "--rule", "image")
    printed = json.loads(done.stdout)
    assert printed == json.loads((tmp_path / "out" / "results.json").read_text())
    assert printed["parameters"] == {"rule": "image", "aligned": False}
    assert printed["identification"]["protocol"].startswith("identification:image:photographs:")
    assert set(printed["models"]) == {"detector", "recogniser"} and printed["models"]["recogniser"]["sha256"]


def test_aligned_faces_need_no_detector(evaluate: Evaluate, crops: Path, recogniser: Path) -> None:
    done = evaluate(crops / "enrol", crops / "probe", recogniser, "--aligned")
    assert done.returncode == 0, done.stderr
    assert "2 people enrolled" in done.stdout and "of strangers   30 photographs of 10 people" in done.stdout
    assert "rank-1 accuracy    1.0000" in done.stdout and ":aligned:" in done.stdout
    assert "missed most at cosine" in done.stdout and ": nobody" in done.stdout


def test_wrong_arguments_are_explained(evaluate: Evaluate, gallery: Path, query: Path, detector: Path,
                                       recogniser: Path) -> None:  # fmt: skip
    done = evaluate(gallery, query, recogniser)
    assert done.returncode == ExitCode.USAGE and "--aligned" in done.stderr
    done = evaluate(gallery, query, detector, recogniser, "--aligned")
    assert done.returncode == ExitCode.USAGE and "recogniser alone" in done.stderr
    done = evaluate(gallery, query, detector, recogniser, "--rule", "vote")
    assert done.returncode == ExitCode.USAGE and "'mean'" in done.stderr


def test_what_is_not_there_is_named(evaluate: Evaluate, gallery: Path, query: Path, detector: Path, recogniser: Path,
                                    tmp_path: Path) -> None:  # fmt: skip
    for arguments, code, told in [
        ((tmp_path / "none", query, detector, recogniser), ExitCode.BAD_DATA, "none: no such folder"),
        ((gallery, tmp_path / "none", detector, recogniser), ExitCode.BAD_DATA, "none: no such folder"),
        ((gallery, query, tmp_path / "none", recogniser), ExitCode.BAD_MODEL, "none does not exist"),
        ((gallery, query, detector, detector), ExitCode.BAD_MODEL, "holds a detector, where a recogniser is needed"),
        ((gallery, query, "haar", recogniser), ExitCode.BAD_MODEL, "gives no landmarks"),
    ]:
        done = evaluate(*arguments, "--out", tmp_path / "out")
        assert (done.returncode, told in done.stderr) == (code, True), done.stderr
        assert done.stderr.startswith("error: ") and not (tmp_path / "out").exists()


def test_a_truncated_gallery_is_no_folder_of_people(evaluate: Evaluate, gallery: Path, query: Path, detector: Path,
                                                    recogniser: Path) -> None:  # fmt: skip
    (gallery / "gallery.json").write_bytes((gallery / "gallery.json").read_bytes()[:50])
    done = evaluate(gallery, query, detector, recogniser)
    assert done.returncode == ExitCode.GALLERY and "gallery.json" in done.stderr


def test_a_truncated_probe_is_named_and_nothing_is_left(evaluate: Evaluate, gallery: Path, query: Path, detector: Path,
                                                        recogniser: Path, tmp_path: Path) -> None:  # fmt: skip
    (query / "Bo" / "1.png").write_bytes(b"\x89PNG\r\n")
    done = evaluate(gallery, query, detector, recogniser, "--out", tmp_path / "results" / "out")
    assert done.returncode == ExitCode.BAD_DATA and "Bo/1.png" in done.stderr
    assert list((tmp_path / "results").iterdir()) == []


def test_an_existing_folder_is_kept(evaluate: Evaluate, gallery: Path, query: Path, detector: Path, recogniser: Path,
                                    tmp_path: Path) -> None:  # fmt: skip
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    done = evaluate(gallery, query, detector, recogniser, "--out", tmp_path / "out")
    assert done.returncode == ExitCode.OUTPUT_REFUSED and [path.name for path in (tmp_path / "out").iterdir()] == [
        "mine"
    ]


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond a few kilobytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing(evaluate: Evaluate, crops: Path, recogniser: Path, tmp_path: Path) -> None:
    with small_files():
        done = evaluate(crops / "enrol", crops / "probe", recogniser, "--aligned", "--out", tmp_path / "out")
    assert done.returncode == ExitCode.WRITE_FAILED and str(tmp_path / "out") in done.stderr
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_names_of_people_do_not_steer_the_terminal(evaluate: Evaluate, crops: Path, recogniser: Path) -> None:
    wicked = "Bo\x1b[31m " + "x" * 200
    shutil.move(crops / "enrol" / "Bo", crops / "enrol" / wicked)
    shutil.move(crops / "probe" / "stranger 0", crops / "probe" / wicked)
    done = evaluate(crops / "enrol", crops / "probe", recogniser, "--aligned")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "Bo\\x1b[31m" in done.stdout
