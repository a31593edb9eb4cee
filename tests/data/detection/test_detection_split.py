"""A split opens with its labels, says what is missing of it, and is told from a changed one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facejobs.data.detection.detection_split import DetectionSplit, find_splits
from facejobs.data.errors import DataError

Photograph = Callable[..., bytes]
WriteSplit = Callable[..., Path]

LABELS = "# a.jpg\n10 10 20 20\n# day/b.jpg\n"


@pytest.fixture
def folder(write_split: WriteSplit, photograph: Photograph) -> Path:
    return write_split(LABELS, {"a.jpg": photograph(1), "day/b.jpg": photograph(2)})


def test_opens_with_labels_and_paths(folder: Path) -> None:
    split = DetectionSplit.open(folder)
    assert (len(split), split.folder, [len(image) for image in split.images]) == (2, folder, [1, 0])
    assert split.path_of(split.images[1]) == folder / "images" / "day" / "b.jpg"


def test_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    for place, message in ((tmp_path / "none", "no such folder"), (folder / "label.txt", "is a file, not a folder")):
        with pytest.raises(DataError, match=message):
            DetectionSplit.open(place)
    with pytest.raises(DataError, match="no images/ in it"):
        DetectionSplit.open(tmp_path)
    (folder / "label.txt").unlink()
    with pytest.raises(DataError, match=r"no label\.txt in it"):
        DetectionSplit.open(folder)


def test_fingerprint_changes_with_labels_and_photographs(folder: Path, photograph: Photograph) -> None:
    def fingerprint() -> str:
        return DetectionSplit.open(folder).fingerprint()

    before = fingerprint()
    assert fingerprint() == before
    image = folder / "images" / "a.jpg"
    content = image.read_bytes()
    image.write_bytes(content[:-3] + b"x" + content[-2:])
    other_content = fingerprint()
    image.unlink()
    missing = fingerprint()
    image.write_bytes(content)
    (folder / "images" / "unlabelled.jpg").write_bytes(photograph(3))
    assert fingerprint() == before
    (folder / "label.txt").write_text(LABELS.replace("20", "21"))
    assert len({before, other_content, missing, fingerprint()}) == 4


def test_finds_the_splits_of_a_data_set(folder: Path, write_split: WriteSplit, tmp_path: Path) -> None:
    assert find_splits(folder) == [folder]
    assert find_splits(tmp_path) == []
    data = tmp_path / "data"
    for name in ("val", "train", "old"):
        write_split(LABELS, {}, f"data/{name}")
    assert find_splits(data) == [data / "train", data / "val"]
