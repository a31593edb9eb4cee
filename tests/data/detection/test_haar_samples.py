"""Faces and backgrounds that a Haar cascade is trained on: what is shown in them, and what never is."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from face_boxes import box_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.haar_samples import (
    NEGATIVES,
    POSITIVES,
    HaarSamples,
    find_backgrounds,
    write_haar_samples,
)
from facejobs.data.errors import DataError

WINDOW = (20, 24)
UNKNOWN = " ".join(["-1"] * 15)


@given(box_tables(5), st.integers(1, 200), st.integers(1, 200), st.integers(0, 50))
@settings(max_examples=80)
def test_backgrounds_lie_in_the_photograph_and_touch_no_face(boxes: np.ndarray, height: int, width: int, seed: int):
    found = find_backgrounds((height, width), boxes, WINDOW, np.random.default_rng(seed))
    assert len(found) <= 3
    sizes = [(right - left) * (bottom - top) for left, top, right, bottom in found]
    assert sizes == sorted(sizes, reverse=True)
    for left, top, right, bottom in found:
        assert min(left, top) >= 0 and right <= width and bottom <= height
        assert right - left >= 40 and bottom - top >= 48
        apart = (boxes[:, 2] <= left) | (boxes[:, 0] >= right) | (boxes[:, 3] <= top) | (boxes[:, 1] >= bottom)
        assert apart.all()


def test_a_photograph_without_faces_is_background() -> None:
    nothing = np.empty((0, 4), np.float32)
    assert len(find_backgrounds((100, 100), nothing, WINDOW, np.random.default_rng(1))) == 3
    assert find_backgrounds((48, 40), nothing, WINDOW, np.random.default_rng(1)) == [(0, 0, 40, 48)]


@pytest.fixture
def split(tmp_path: Path) -> DetectionSplit:
    """A wide photograph whose faces are brighter than all else, and one of 4,000 pixels that is only background."""
    images = tmp_path / "split" / "images" / "a b"
    images.mkdir(parents=True)
    photograph = np.full((200, 400, 3), 60, np.uint8)
    photograph[20:68, 10:50] = 200
    photograph[20:68, 10:30] = 100
    cv2.imwrite(str(images / "faces.png"), photograph)
    cv2.imwrite(str(images / "none.png"), np.full((60, 4000, 3), 60, np.uint8))
    faces = ["10 20 40 48", "100 20 19 30", "100 60 30 23", "150 20 30 30"]
    blurs = ["0.5", "0", "0", "1.0"]
    lines = [f"{face} {UNKNOWN} {blur}\n" for face, blur in zip(faces, blurs, strict=True)]
    (tmp_path / "split" / "label.txt").write_text(f"# a b/faces.png\n{''.join(lines)}# a b/none.png\n")
    return DetectionSplit.open(tmp_path / "split")


def write(split: DetectionSplit, folder: Path, seed: int = 1) -> HaarSamples:
    folder.mkdir()
    return write_haar_samples(folder, split, WINDOW, seed, lambda: None)


def test_faces_large_and_sharp_enough_are_cut_out_and_mirrored(split: DetectionSplit, tmp_path: Path) -> None:
    samples = write(split, tmp_path / "work")
    assert samples == HaarSamples(positives=2, negatives=6)
    lines = (tmp_path / "work" / POSITIVES).read_text().splitlines()
    assert lines == [f"faces/00000{number}.png 1 0 0 20 24" for number in range(2)]
    faces = [cv2.imread(str(tmp_path / "work" / line.split()[0]), cv2.IMREAD_UNCHANGED) for line in lines]
    assert {face.shape for face in faces} == {(24, 20)}
    assert (faces[0][:, :10] == 100).all() and (faces[0][:, 10:] == 200).all()
    np.testing.assert_array_equal(faces[1], faces[0][:, ::-1])


def test_backgrounds_show_no_face_and_hold_the_window(split: DetectionSplit, tmp_path: Path) -> None:
    write(split, tmp_path / "work")
    names = (tmp_path / "work" / NEGATIVES).read_text().split()
    pictures = [cv2.imread(str(tmp_path / "work" / name), cv2.IMREAD_UNCHANGED) for name in names]
    assert all((picture == 60).all() for picture in pictures)
    assert all(height >= 48 and width >= 40 for height, width in (picture.shape for picture in pictures))
    write(split, tmp_path / "again")
    write(split, tmp_path / "other", seed=2)
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "work" / name).read_bytes()
    assert any((tmp_path / "other" / n).read_bytes() != (tmp_path / "work" / n).read_bytes() for n in names)


def test_a_split_without_usable_faces_or_backgrounds_is_refused(split: DetectionSplit, tmp_path: Path) -> None:
    (split.folder / "label.txt").write_text("# a b/faces.png\n1 1 5 5\n")
    with pytest.raises(DataError, match="no face that is large enough to train a cascade of 20x24"):
        write(DetectionSplit.open(split.folder), tmp_path / "work")
    (split.folder / "label.txt").write_text("# a b/faces.png\n0 0 400 200\n")
    with pytest.raises(DataError, match="no background that is large enough"):
        write(DetectionSplit.open(split.folder), tmp_path / "other")
