"""Who is to be enrolled from which photographs: a folder for each person, its name the person's."""

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.detection.photograph_files import PHOTOGRAPH_SUFFIXES, find_photographs
from facejobs.data.errors import DataError, RequestError
from facejobs.data.reading import reading

UNKNOWN = "unknown"
"""The answer for a stranger, so nobody's name."""

_LAYOUT = "give a folder with a folder of photographs for each person, such as people/Ann Lee/1.jpg"
_HASH_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PersonPhotograph:
    """A photograph of a person, with the SHA-256 of its file in hexadecimal."""

    person: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A photograph, or a folder, that is not enrolled, and why; `person` is None where it is nobody's."""

    person: str | None
    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The photographs to look for faces in, sorted by person and path, and what is refused unseen."""

    photographs: tuple[PersonPhotograph, ...]
    refusals: tuple[Refusal, ...]


def find_enrolment(folder: Path) -> Enrolment:
    """Return the photographs in the folders of `folder`, one level deep; hidden files and folders are passed over.

    A person is called as their folder is, in Unicode's normal form C. Refused are photographs that lie elsewhere,
    folders without photographs, and photographs that are there twice: of one person all but the first, of several
    people all. Raises DataError where there is no photograph in a person's folder, and for names that cannot be one's.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; {_LAYOUT}")
    people, refusals = _people_in(folder)
    found: list[tuple[str, Path]] = []
    for name, place in people:
        photographs, passed_over = _photographs_of(name, place)
        refusals += passed_over
        found += [(name, path) for path in photographs]
    if not found:
        raise DataError(f"{folder}: {_nobody(refusals, people)}; {_LAYOUT}")
    return _without_copies(found, refusals)


def enrolment_of(person: str, place: Path) -> Enrolment:
    """Return the photographs of one person: a file, or all below a folder.

    Raises DataError where there is none, and RequestError for a name that cannot be a person's.
    """
    try:
        person = _checked_name(person)
    except ValueError as error:
        raise RequestError(f"--person: {error}; give another one") from None
    return _without_copies([(person, path) for path in find_photographs(place)], [])


def _people_in(folder: Path) -> tuple[list[tuple[str, Path]], list[Refusal]]:
    names: dict[str, Path] = {}
    refusals = []
    for entry in _entries(folder):
        if entry.is_dir():
            try:
                name = _checked_name(entry.name)
            except ValueError as error:
                raise DataError(f"{entry}: {error}; rename the folder") from None
            if name in names:
                raise DataError(
                    f"{folder}: {names[name].name!r} and {entry.name!r} are one name, written with different code "
                    "points; rename one folder, or put the photographs into one"
                )
            names[name] = entry
        elif _is_photograph(entry):
            refusals.append(Refusal(None, entry, "lies in no person's folder"))
    return sorted(names.items()), refusals


def _photographs_of(name: str, place: Path) -> tuple[list[Path], list[Refusal]]:
    photographs, refusals = [], []
    for entry in _entries(place):
        if entry.is_dir():
            refusals.append(Refusal(name, entry, "a folder in a person's folder is not searched"))
        elif _is_photograph(entry):
            photographs.append(entry)
    if not photographs:
        refusals.append(Refusal(name, place, "no photograph in this folder"))
    return photographs, refusals


def _entries(folder: Path) -> list[Path]:
    with reading(folder):
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in PHOTOGRAPH_SUFFIXES


def _checked_name(name: str) -> str:
    """The name in normal form C; ValueError, saying why, where it cannot be a person's."""
    normal = unicodedata.normalize("NFC", name)
    try:
        normal.encode()
    except UnicodeEncodeError:
        raise ValueError("a name that is not UTF-8 cannot be a person's") from None
    if not normal.strip() or "\0" in normal:
        raise ValueError(f"{name!r} is no name for a person")
    if normal.casefold() == UNKNOWN:
        raise ValueError(f"{name!r} is what strangers are called, so it cannot name a person")
    return normal


def _nobody(refusals: Sequence[Refusal], people: Sequence[tuple[str, Path]]) -> str:
    if people:
        return "no photograph in any person's folder"
    return "photographs lie in this folder itself, so it is not known whose they are" if refusals else "nobody is here"


def _without_copies(found: Sequence[tuple[str, Path]], refusals: list[Refusal]) -> Enrolment:
    same: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for person, path in found:
        try:
            same[_hash(path)].append((person, path))
        except DataError as error:
            refusals.append(Refusal(person, path, str(error).removeprefix(f"{path}: ")))
    kept = []
    for sha256, copies in same.items():
        people = {person for person, _ in copies}
        first, *others = copies
        if len(people) == 1:
            kept.append(PersonPhotograph(*first, sha256))
            refusals += [Refusal(*other, f"the same file as {first[1].name}") for other in others]
        else:
            refusals += [Refusal(*copy, _shared_with(people - {copy[0]})) for copy in copies]
    kept.sort(key=lambda photograph: (photograph.person, photograph.path))
    return Enrolment(tuple(kept), tuple(refusals))


def _shared_with(people: set[str]) -> str:
    return f"the same file is also a photograph of {', '.join(sorted(people))}: it is not known whose it is"


def _hash(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: not a file; perhaps a link to one that is not there")
    digest = hashlib.sha256()
    with reading(path), path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
