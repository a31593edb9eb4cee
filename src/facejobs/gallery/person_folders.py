"""Photographs in a folder for each person: who is meant, and what identifies the whole."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.detection.photograph_files import PHOTOGRAPH_SUFFIXES
from facejobs.data.errors import DataError
from facejobs.data.reading import reading


@dataclass(frozen=True, slots=True)
class PersonFolder:
    """The photographs in one folder; `person` is its name, composed (NFC), as no two file systems agree on that."""

    person: str
    photographs: tuple[Path, ...]


def person_folders(root: Path) -> list[PersonFolder]:
    """The folders in `root`, by name, each with its photographs, by name; hidden ones and empty folders left out.

    Raises DataError where `root` is no folder or holds no photograph in a folder, and for two folders of one name.
    """
    if not root.is_dir():
        raise DataError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; give a folder of folders, each "
                        "with the photographs of one person")  # fmt: skip
    found: dict[str, PersonFolder] = {}
    with reading(root):
        for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
            photographs = tuple(sorted(path for path in folder.iterdir() if _is_photograph(path)))
            person = unicodedata.normalize("NFC", folder.name)
            if person in found:
                raise DataError(
                    f"{folder}: another folder has the same name, written with other code points; join them"
                )
            if photographs:
                found[person] = PersonFolder(person, photographs)
    if not found:
        kinds = ", ".join(sorted(PHOTOGRAPH_SUFFIXES))
        raise DataError(f"{root}: no folder in it holds a photograph ({kinds}); a folder for each person is needed")
    return list(found.values())


def fingerprint(folders: Sequence[PersonFolder]) -> str:
    """SHA-256 of who is on which photographs: of the names of people, and of the content of their photographs."""
    digest = hashlib.sha256()
    for folder in folders:
        digest.update(f"{len(folder.photographs)} {folder.person}\n".encode("utf-8", "surrogateescape"))
        for path in folder.photographs:
            with reading(path):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_photograph(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in PHOTOGRAPH_SUFFIXES and path.is_file()
