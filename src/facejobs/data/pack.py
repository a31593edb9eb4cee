"""Make a record data set from a folder per person, in the layout of InsightFace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from facejobs.data.encoded_images import decode_image
from facejobs.data.errors import DataError
from facejobs.data.fresh_output import fresh_directory
from facejobs.data.image_record import pack_image_record
from facejobs.data.property_file import DatasetProperty
from facejobs.data.recordio import RecordWriter

NAME = "faces"
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

_LISTED_PROBLEMS = 10
_IMAGES_AT_ONCE = 256
_LARGEST_EXACT_LABEL = 2**24


@dataclass(frozen=True, slots=True)
class PackReport:
    """What was packed; `skipped_files` are no images by their names, `empty_people` folders hold none."""

    records: Path
    images: int
    identities: int
    skipped_files: int
    empty_people: list[str]


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    images: list[Path]


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
    people, skipped, empty = _find_people(folder)
    total = sum(len(person.images) for person in people)
    with fresh_directory(output) as work:
        with (
            (work / f"{NAME}.rec").open("wb") as records,
            (work / f"{NAME}.idx").open("wb") as index,
            (work / f"{NAME}.lst").open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as image_list,
        ):
            writer = RecordWriter(records, index)
            ranges: list[tuple[int, int]] = []
            problems: list[str] = []
            key = 1
            for identity, person in enumerate(people):
                first = key
                for path, encoded, problem in _read_images(person.images, size, threads):
                    progress(key, total)
                    if problem:
                        problems.append(problem)
                        if len(problems) == _LISTED_PROBLEMS:
                            raise _refusal(problems, more=True)
                    writer.write(key, pack_image_record(float(identity), key, encoded))
                    image_list.write(f"1\t{person.name}/{path.name}\t{identity}\n")
                    key += 1
                ranges.append((first, key))
            if problems:
                raise _refusal(problems, more=False)
            _write_identities(writer, ranges, key)
        declared = DatasetProperty(len(people), size, size)
        (work / "property").write_text(f"{declared}\n", encoding="ascii")
    return PackReport(output / f"{NAME}.rec", total, len(people), skipped, empty)


def _write_identities(writer: RecordWriter, ranges: list[tuple[int, int]], first_key: int) -> None:
    """Append an identity record per person with the range of their images, then record 0 with the range of those."""
    for key, (first, after) in enumerate(ranges, first_key):
        writer.write(key, pack_image_record((float(first), float(after)), key))
    writer.write(0, pack_image_record((float(first_key), float(first_key + len(ranges))), 0))


def _find_people(folder: Path) -> tuple[list[_Person], int, list[str]]:
    if not folder.is_dir():
        what = "is a file, not a directory" if folder.exists() else "no such directory"
        raise DataError(f"{folder}: {what}; give a folder that holds one folder of images per person")
    people, empty, skipped = [], [], 0
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if not entry.is_dir():
            skipped += 1
            continue
        files = sorted((path for path in entry.iterdir() if path.is_file()), key=lambda path: path.name)
        images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        skipped += len(files) - len(images)
        if images:
            people.append(_Person(entry.name, images))
        else:
            empty.append(entry.name)
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
    return people, skipped, empty


def _read_images(paths: list[Path], size: int, threads: int) -> Iterator[tuple[Path, bytes, str | None]]:
    """Yield every path with its bytes and what is wrong with it, if anything."""

    def read(path: Path) -> tuple[Path, bytes, str | None]:
        encoded = path.read_bytes()
        try:
            height, width, _ = decode_image(encoded, str(path)).shape
        except DataError as error:
            return path, encoded, str(error)
        if (height, width) != (size, size):
            return path, encoded, f"{path} is {width}x{height} pixels, not {size}x{size}"
        return path, encoded, None

    with ThreadPoolExecutor(min(threads, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), _IMAGES_AT_ONCE):
            yield from pool.map(read, paths[start : start + _IMAGES_AT_ONCE])


def _refusal(problems: list[str], more: bool) -> DataError:
    head = f"the first {len(problems)} images" if more else f"{len(problems)} image{'s' if len(problems) > 1 else ''}"
    listed = "\n".join(f"  {problem}" for problem in problems)
    return DataError(f"{head} that cannot be packed:\n{listed}\nAlign or remove them; nothing was written")
