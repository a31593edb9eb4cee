"""Verification pairs from folders and .bin files."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from facejobs.data.errors import DataError
from facejobs.data.pairs import contiguous_folds, load_pairs


def jpeg(value: int, side: int = 16) -> bytes:
    return simplejpeg.encode_jpeg(np.full((side, side, 3), value, np.uint8), quality=95)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folds of one matching and one non-matching pair of Ann (3 images) and Bo (1)."""
    root = tmp_path / "people"
    for value, (name, number) in enumerate([("Ann", 1), ("Ann", 2), ("Ann", 3), ("Bo", 1)]):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / f"{name}_{number:04d}.jpg").write_bytes(jpeg(60 * value))
    (root / "pairs.txt").write_text("2\t1\nAnn\t1\t2\nAnn\t1\tBo\t1\nAnn\t2\t3\nBo\t1\tAnn\t3\n")
    return root


def shades(pairs, side: str) -> list[int]:
    return [round(float(pairs.images[int(index)].mean()) / 60) for index in getattr(pairs, side)]


def test_a_folder_gives_its_pairs(folder: Path) -> None:
    pairs = load_pairs(folder)
    assert len(pairs) == 4
    assert len(pairs.images) == 4
    assert shades(pairs, "left") == [0, 0, 1, 3]
    assert shades(pairs, "right") == [1, 3, 2, 2]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.folds.tolist() == [0, 0, 1, 1]
    assert pairs.people is not None
    assert pairs.people[pairs.left].tolist() == [0, 0, 0, 1]
    assert pairs.people[pairs.right].tolist() == [0, 1, 0, 0]
    assert pairs.name == "people"
    assert pairs.protocol == f"lfw-pairs:2-fold:{pairs.fingerprint[:12]}"


def test_the_fingerprint_is_of_content_not_of_place_or_spelling(folder: Path, tmp_path: Path) -> None:
    original = load_pairs(folder).fingerprint
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    listing = (copy / "pairs.txt").read_text()
    (copy / "pairs.txt").write_text(listing.replace("\n", "\r\n"), newline="")
    assert load_pairs(copy).fingerprint == original
    (copy / "pairs.txt").write_text(listing.replace("Ann\t2\t3", "Ann\t1\t3"))
    assert load_pairs(copy).fingerprint != original
    (copy / "pairs.txt").write_text(listing)
    (copy / "Bo" / "Bo_0001.jpg").write_bytes(jpeg(7))
    assert load_pairs(copy).fingerprint != original


def test_other_suffixes_are_found(folder: Path) -> None:
    (folder / "Bo" / "Bo_0001.jpg").rename(folder / "Bo" / "Bo_0001.jpeg")
    assert len(load_pairs(folder)) == 4


def test_without_stated_folds_each_kind_is_spread_over_ten(folder: Path) -> None:
    lines = ["Ann\t1\t2"] * 20 + ["Ann\t1\tBo\t1"] * 10
    (folder / "pairs.txt").write_text("\n".join(lines))
    pairs = load_pairs(folder)
    assert pairs.fold_count == 10
    for fold in range(10):
        assert pairs.same[pairs.folds == fold].tolist() == [True, True, False]


def test_missing_images_are_counted_and_the_first_are_named(folder: Path) -> None:
    shutil.rmtree(folder / "Bo")
    (folder / "Ann" / "Ann_0002.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of the 4 images .* missing: Ann/Ann_0002\.jpg, Bo/Bo_0001\.jpg;"):
        load_pairs(folder)
    lines = "\n".join(f"Ann\t{number}\t{number + 1}" for number in range(10, 20))
    (folder / "pairs.txt").write_text(lines)
    with pytest.raises(DataError, match=r"11 of the 11 .*Ann_0014\.jpg, …"):
        load_pairs(folder)


@pytest.mark.parametrize(
    ("count", "folds", "expected"),
    [(6, 3, [0, 0, 1, 1, 2, 2]), (7, 3, [0, 0, 0, 1, 1, 2, 2]), (2, 10, [0, 1]), (1, 10, [0])],
)
def test_contiguous_folds(count: int, folds: int, expected: list[int]) -> None:
    assert contiguous_folds(count, folds).tolist() == expected


def test_a_bin_gives_neighbouring_images_as_pairs(tmp_path: Path) -> None:
    path = tmp_path / "cfp_fp.bin"
    path.write_bytes(pickle.dumps(([jpeg(40 * index) for index in range(6)], [True, False, True]), 4))
    pairs = load_pairs(path)
    assert (pairs.name, pairs.people) == ("cfp_fp", None)
    assert pairs.left.tolist() == [0, 2, 4]
    assert pairs.right.tolist() == [1, 3, 5]
    assert pairs.same.tolist() == [True, False, True]
    assert pairs.folds.tolist() == [0, 1, 2]
    assert pairs.protocol.startswith("insightface-bin:3-fold:")


def test_wrong_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent does not exist"):
        load_pairs(tmp_path / "absent")
    with pytest.raises(DataError, match=r"holds no pairs\.txt"):
        load_pairs(tmp_path)
    with pytest.raises(DataError, match="neither a folder nor a regular file"):
        load_pairs(Path("/dev/null"))


@pytest.mark.shared_data
def test_lfw_view_2(shared_data: Path) -> None:
    pairs = load_pairs(shared_data / "verification" / "lfw")
    assert (len(pairs), len(pairs.images), pairs.fold_count) == (6000, 7701, 10)
    assert np.bincount(pairs.folds).tolist() == [600] * 10
    assert np.bincount(pairs.folds, weights=pairs.same).tolist() == [300] * 10
    assert pairs.people is not None
    assert len(np.unique(pairs.people)) == 4281
    assert ((pairs.people[pairs.left] == pairs.people[pairs.right]) == pairs.same).all()
    assert pairs.images[0].shape == (112, 112, 3)
