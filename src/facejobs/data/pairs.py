"""Face pairs for 1:1 verification, from an LFW-style folder or an InsightFace .bin file."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.encoded_images import EncodedImages
from facejobs.data.errors import DataError
from facejobs.data.insightface_bin import read_insightface_bin
from facejobs.data.pairs_list import ListedPair, parse_pairs
from facejobs.data.reading import reading

PAIRS_NAME = "pairs.txt"
DEFAULT_FOLDS = 10
_SUFFIXES = (".jpg", ".jpeg", ".png")
_LISTED_MISSING = 5
_READING_THREADS = 8


@dataclass(frozen=True, slots=True)
class VerificationPairs:
    """Pairs of aligned face images: pair k is images `left[k]` and `right[k]`.

    `same[k]` says whether they show one person, `folds[k]` (0..) which part of the cross-validation the pair
    is in. `people[i]` numbers the person in image i, or is None where the file does not name them.
    `fingerprint` is the SHA-256 of the list and of the images' bytes: equal fingerprints, equal test.
    """

    name: str
    format: str
    fingerprint: str
    images: EncodedImages
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]
    people: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.same)

    @property
    def fold_count(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    @property
    def protocol(self) -> str:
        """How the pairs are grouped and which they are: `format:folds:fingerprint`."""
        return f"{self.format}:{self.fold_count}-fold:{self.fingerprint[:12]}"


def load_pairs(path: Path) -> VerificationPairs:
    """Load verification pairs from a folder holding pairs.txt or from an InsightFace .bin file.

    Raises DataError, with file and line or byte offset, for a missing, malformed or incomplete set.
    """
    with reading(path):
        if path.is_dir():
            if not (path / PAIRS_NAME).exists():
                raise DataError(
                    f"{path} holds no {PAIRS_NAME}; give a folder with {PAIRS_NAME} and <Name>/<Name>_0001.jpg"
                )
            return load_pairs_folder(path)
        if not path.exists():
            raise DataError(f"{path} does not exist; give a folder with {PAIRS_NAME} or an InsightFace .bin file")
        if not path.is_file():
            raise DataError(f"{path} is neither a folder nor a regular file")
    if path.suffix == ".txt":
        raise DataError(f"{path} is a list of pairs: give the folder that holds it and the images, {path.parent}")
    return load_pairs_bin(path)


def set_name(path: Path) -> str:
    """Return the name that the set `load_pairs` loads from `path` has: its metrics and files begin with it."""
    return path.resolve().name if path.is_dir() else path.stem


def load_pairs_bin(path: Path) -> VerificationPairs:
    """Load an InsightFace .bin: images 2k and 2k+1 are pair k, in ten contiguous folds as InsightFace tests."""
    content = read_insightface_bin(path)
    count = len(content.same)
    return VerificationPairs(
        name=set_name(path),
        format="insightface-bin",
        fingerprint=content.sha256,
        images=EncodedImages(content.images, [f"{path}: image {index}" for index in range(2 * count)]),
        left=np.arange(0, 2 * count, 2),
        right=np.arange(1, 2 * count, 2),
        same=content.same,
        folds=contiguous_folds(count, DEFAULT_FOLDS),
    )


def load_pairs_folder(folder: Path) -> VerificationPairs:
    """Load pairs.txt and the aligned images it names, `<Name>/<Name>_0001.jpg` (or .jpeg, .png)."""
    listed, stated_folds = parse_pairs(folder / PAIRS_NAME)
    left, right, files = _number_images(listed)
    paths = _find_images(folder, files)
    with ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="read") as pool:
        encoded = list(pool.map(Path.read_bytes, paths))
    same = np.array([pair.same for pair in listed])
    folds = stated_folds if stated_folds is not None else _folds_by_kind(same)
    names = sorted({name for name, _ in files})
    number_of = {name: number for number, name in enumerate(names)}
    return VerificationPairs(
        name=set_name(folder),
        format="lfw-pairs",
        fingerprint=_fingerprint(listed, folds, encoded),
        images=EncodedImages(encoded, [str(path) for path in paths]),
        left=left,
        right=right,
        same=same,
        folds=folds,
        people=np.array([number_of[name] for name, _ in files]),
    )


def contiguous_folds(count: int, folds: int) -> NDArray[np.int64]:
    """Return the fold of each of `count` items: contiguous, the first `count` % `folds` one item longer.

    Where there are fewer items than folds, each item is a fold.
    """
    sizes = [len(part) for part in np.array_split(np.arange(count), min(folds, count))]
    return np.repeat(np.arange(len(sizes)), sizes)


def _number_images(
    pairs: Sequence[ListedPair],
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[str, int]]]:
    index: dict[tuple[str, int], int] = {}
    left = [index.setdefault((pair.first_name, pair.first_number), len(index)) for pair in pairs]
    right = [index.setdefault((pair.second_name, pair.second_number), len(index)) for pair in pairs]
    return np.array(left), np.array(right), list(index)


def _find_images(folder: Path, files: Sequence[tuple[str, int]]) -> list[Path]:
    paths, missing = [], []
    for name, number in files:
        stem = f"{name}_{number:04d}"
        candidates = (folder / name / f"{stem}{suffix}" for suffix in _SUFFIXES)
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            missing.append(f"{name}/{stem}.jpg")
        else:
            paths.append(found)
    if missing:
        shown = ", ".join(missing[:_LISTED_MISSING]) + (", …" if len(missing) > _LISTED_MISSING else "")
        raise DataError(
            f"{folder}: {len(missing)} of the {len(files)} images that {PAIRS_NAME} names are missing: {shown}; "
            f"put the aligned images beside {PAIRS_NAME}"
        )
    return paths


def _folds_by_kind(same: NDArray[np.bool_]) -> NDArray[np.int64]:
    folds = np.zeros(len(same), np.int64)
    for kind in (True, False):
        members = np.flatnonzero(same == kind)
        if len(members):
            folds[members] = contiguous_folds(len(members), DEFAULT_FOLDS)
    return folds


def _fingerprint(pairs: Sequence[ListedPair], folds: NDArray[np.int64], encoded: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for pair, fold in zip(pairs, folds.tolist(), strict=True):
        fields = (pair.first_name, pair.first_number, pair.second_name, pair.second_number, int(pair.same), fold)
        digest.update(("\t".join(map(str, fields)) + "\n").encode())
    for image in encoded:
        digest.update(hashlib.sha256(image).digest())
    return digest.hexdigest()
