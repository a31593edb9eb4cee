"""One split of a detection data set: a folder with `images/` and `label.txt`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.label_files import read_labels
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

DETECTION_DATA = "detection_train_data"
SPLITS = ("train", "val", "test")
IMAGES = "images"
LABELS = "label.txt"

_FINGERPRINTED = 256
_FINGERPRINTED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class DetectionSplit:
    """The labelled photographs of `folder`; whether each photograph exists and is readable shows when it is read."""

    folder: Path
    images: tuple[LabelledImage, ...]

    @classmethod
    def open(cls, folder: Path) -> "DetectionSplit":
        """Read the labels of a split; DataError where the folder is not one, or a label is malformed."""
        require_split(folder)
        return cls(folder, read_labels(folder / LABELS).images)

    def __len__(self) -> int:
        return len(self.images)

    def path_of(self, image: LabelledImage) -> Path:
        """Where the photograph lies."""
        return self.folder / IMAGES / image.path

    def fingerprint(self) -> str:
        """SHA-256 over the labels, the size of every photograph, and the start of 256 of them spread evenly."""
        digest = hashlib.sha256((self.folder / LABELS).read_bytes())
        step = -(-len(self) // _FINGERPRINTED)
        for number, image in enumerate(self.images):
            path = self.path_of(image)
            if not path.is_file():
                digest.update(b"missing\n")
                continue
            digest.update(b"%d\n" % path.stat().st_size)
            if number % step == 0:
                with path.open("rb") as file:
                    digest.update(file.read(_FINGERPRINTED_BYTES))
        return digest.hexdigest()


def find_splits(directory: Path) -> list[Path]:
    """`directory` if it is a split, else those of train, val and test in it that are; one half of a split will do."""
    folders = [directory, *(directory / name for name in SPLITS)]
    found = [folder for folder in folders if (folder / IMAGES).is_dir() or (folder / LABELS).is_file()]
    return found[:1] if found[:1] == [directory] else found


def require_split(folder: Path) -> None:
    """Raise DataError, saying what is missing, unless `folder` holds `images/` and `label.txt`."""
    with reading(folder):
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "no such folder"
            raise DataError(f"{folder}: {what}; give the folder of a split, with {IMAGES}/ and {LABELS}")
        for name, present in ((f"{IMAGES}/", (folder / IMAGES).is_dir()), (LABELS, (folder / LABELS).is_file())):
            if not present:
                raise DataError(f"{folder}: no {name} in it; a split holds {IMAGES}/ and {LABELS}")
