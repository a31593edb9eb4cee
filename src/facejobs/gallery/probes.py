"""Photographs of known people and of strangers, to measure a gallery with: a folder for each person."""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.detection.photograph_files import PHOTOGRAPH_SUFFIXES
from facejobs.data.errors import DataError
from facejobs.data.reading import reading
from facejobs.gallery.enrolment import UNKNOWN
from facejobs.gallery.face_source import FaceSource


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """P photographs: `names` are their paths in the query folder, `persons` those of their folders.

    `subjects` (P,) numbers real people: photographs in a folder `unknown` are of one person each. `searched` (P,) says
    where a face was found, `embeddings` (P, D) have unit length there and are zero elsewhere. `digests` are the
    SHA-256 of the files.
    """

    names: tuple[str, ...]
    persons: tuple[str, ...]
    subjects: NDArray[np.int64]
    searched: NDArray[np.bool_]
    embeddings: NDArray[np.float32]
    digests: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names and contents."""
        return fingerprint(zip(self.names, self.digests, strict=True))


def find_probes(root: Path) -> list[tuple[str, Path]]:
    """Person and path of each photograph in the folders of `root`, one level deep, sorted; hidden ones left out.

    Raises DataError where there is none.
    """
    if not root.is_dir():
        problem = "is a file" if root.exists() else "no such folder"
        raise DataError(f"{root}: {problem}; give a folder with a folder of photographs for each person")
    with reading(root):
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = [
            (unicodedata.normalize("NFC", folder.name), path)
            for folder in folders
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".") and path.suffix.lower() in PHOTOGRAPH_SUFFIXES
        ]
    if not found:
        kinds = ", ".join(sorted(PHOTOGRAPH_SUFFIXES))
        raise DataError(f"{root}: no folder in it holds a photograph ({kinds}); a folder for each person is needed")
    return found


def read_probes(root: Path, source: FaceSource, advance: Callable[[], None] = lambda: None) -> Probes:
    """Embed all photographs of `root`; `advance` is called after each.

    Raises DataError as `find_probes` does, and for a photograph that cannot be read.
    """
    found = find_probes(root)
    names = [str(path.relative_to(root)) for _, path in found]
    embeddings = np.zeros((len(found), source.embedding_size), np.float32)
    searched = np.zeros(len(found), bool)
    for number, embedding in enumerate(source.of_probes([path for _, path in found])):
        if embedding is not None:
            embeddings[number], searched[number] = embedding, True
        advance()
    subjects = [
        name if person.casefold() == UNKNOWN else person for (person, _), name in zip(found, names, strict=True)
    ]
    return Probes(
        names=tuple(names),
        persons=tuple(person for person, _ in found),
        subjects=np.unique(subjects, return_inverse=True)[1].astype(np.int64),
        searched=searched,
        embeddings=embeddings,
        digests=tuple(file_digest(path) for _, path in found),
    )


def fingerprint(items: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over names and digests, in whatever order they come."""
    digest = hashlib.sha256()
    for name, content in sorted(items):
        digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
