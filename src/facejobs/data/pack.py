"""Make a record data set from a folder per person, in the layout of InsightFace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import TextIO

from facejobs.data.decode import decode
from facejobs.data.errors import DataError
from facejobs.data.fresh_output import fresh_directory
from facejobs.data.image_record import pack_image_record
from facejobs.data.property_file import DatasetProperty
from facejobs.data.reading import reading
from facejobs.data.recordio import RecordWriter

NAME = "faces"
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

_LISTED_PROBLEMS = 10
_IMAGES_AT_ONCE = 256
_LARGEST_EXACT_LABEL = 2**24


@dataclass(frozen=True, slots=True)
class PackReport:
    """What was packed. `skipped_files` are hidden, deeper than `PERSON/IMAGE`, no regular files, or no images by
    their names; `empty_people` are folders without an image.
    """

    records: Path
    images: int
    identities: int
    skipped_files: int
    empty_people: list[str]


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    images: list[Path]


@dataclass(slots=True)
class _Found:
    people: list[_Person] = field(default_factory=list)
    skipped: int = 0
    empty: list[str] = field(default_factory=list)


def pack_folder(
    folder: Path, output: Path, size: int, threads: int, progress: Callable[[int, int], None]
) -> PackReport:
    """Write `faces.rec`, `.idx`, `.lst` and `property` into the new directory `output`.

    `folder/PERSON/IMAGE` becomes one image record, byte for byte; people are numbered from 0 in the order of their
    names. Every image is decoded once and must be `size` x `size` pixels: resizing is the work of alignment. After
    the images come an identity record per person and record 0. `progress` gets (images done, images in all).

    Raises DataError with the first offending files if any image is unreadable or of another size, OutputExistsError
    if `output` holds something. Then nothing is written.
    """
    with reading(folder):
        found = _find_people(folder)
    people = found.people
    total = sum(len(person.images) for person in people)
    with fresh_directory(output) as work:
        with (
            (work / f"{NAME}.rec").open("wb") as records,
            (work / f"{NAME}.idx").open("wb") as index,
            (work / f"{NAME}.lst").open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as image_list,
        ):
            writer = RecordWriter(records, index)
            _write_images(people, size, threads, writer, image_list, progress)
            _write_identities(writer, people)
        declared = DatasetProperty(len(people), size, size)
        (work / "property").write_text(f"{declared}\n", encoding="ascii")
    return PackReport(output / f"{NAME}.rec", total, len(people), found.skipped, found.empty)


def _write_images(
    people: list[_Person],
    size: int,
    threads: int,
    writer: RecordWriter,
    image_list: TextIO,
    progress: Callable[[int, int], None],
) -> None:
    """Append the images with keys from 1, and their `.lst` lines; DataError after the first few that are unfit."""
    total = sum(len(person.images) for person in people)
    problems: list[str] = []
    for key, (identity, path, encoded, problem) in enumerate(_read_images(people, size, threads), 1):
        progress(key, total)
        if problem:
            problems.append(problem)
            if len(problems) == _LISTED_PROBLEMS:
                break
        writer.write(key, pack_image_record(float(identity), key, encoded))
        image_list.write(f"1\t{people[identity].name}/{path.name}\t{identity}\n")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        more = " (there may be more)" if len(problems) == _LISTED_PROBLEMS else ""
        raise DataError(f"these images cannot be packed{more}:\n{listed}\nAlign or remove them; nothing was written")


def _write_identities(writer: RecordWriter, people: list[_Person]) -> None:
    """Append an identity record per person with the range of their images, then record 0 with the range of those."""
    ends = list(accumulate((len(person.images) for person in people), initial=1))
    first_key = ends[-1]
    for key, (first, after) in enumerate(pairwise(ends), first_key):
        writer.write(key, pack_image_record((float(first), float(after)), key))
    writer.write(0, pack_image_record((float(first_key), float(first_key + len(people))), 0))


def _find_people(folder: Path) -> _Found:
    if not folder.is_dir():
        what = "is a file, not a directory" if folder.exists() else "no such directory"
        raise DataError(f"{folder}: {what}; give a folder that holds one folder of images per person")
    found = _Found()
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.startswith(".") or not entry.is_dir():
            found.skipped += _count_files(entry)
            continue
        inside = sorted(entry.iterdir(), key=lambda path: path.name)
        images = [path for path in inside if _is_image(path)]
        found.skipped += sum(_count_files(path) for path in inside) - len(images)
        if images:
            found.people.append(_Person(entry.name, images))
        else:
            found.empty.append(entry.name)
    _check_people(folder, found.people)
    return found


def _is_image(path: Path) -> bool:
    # macOS keeps what other file systems cannot hold of `a.jpg` in `._a.jpg`.
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _count_files(path: Path) -> int:
    """1, or how many files lie below a folder."""
    return sum(len(files) for _, _, files in os.walk(path)) if path.is_dir() else 1


def _check_people(folder: Path, people: list[_Person]) -> None:
    """Raise DataError for nobody, for more people than labels, and for names that a `.lst` cannot hold."""
    if not people:
        raise DataError(
            f"{folder}: no PERSON/IMAGE.jpg in it; give a folder that holds one folder of images per person"
        )
    if len(people) > _LARGEST_EXACT_LABEL:
        raise DataError(
            f"{folder}: {len(people)} people; a label is a float32, exact up to {_LARGEST_EXACT_LABEL} only"
        )
    for person in people:
        for path in person.images:
            if any(character in f"{person.name}{path.name}" for character in "\t\n\r"):
                raise DataError(f"{str(path)!r}: a tab or line break in a name cannot be listed in a .lst; rename it")


def _read_images(people: list[_Person], size: int, threads: int) -> Iterator[tuple[int, Path, bytes, str | None]]:
    """Yield identity, path and bytes of every image in order, and what is wrong with it, if anything."""

    def read(place: tuple[int, Path]) -> tuple[int, Path, bytes, str | None]:
        identity, path = place
        with reading(path):
            encoded = path.read_bytes()
        try:
            height, width, _ = decode(encoded).shape
        except DataError as error:
            return identity, path, encoded, f"{path}: {error}"
        unfit = (height, width) != (size, size)
        return identity, path, encoded, f"{path} is {width}x{height} pixels, not {size}x{size}" if unfit else None

    places = ((identity, path) for identity, person in enumerate(people) for path in person.images)
    with ThreadPoolExecutor(threads) as pool:
        while chunk := list(islice(places, _IMAGES_AT_ONCE)):
            yield from pool.map(read, chunk)
