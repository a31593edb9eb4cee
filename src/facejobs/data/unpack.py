"""Make a folder per identity from a record data set: the reverse of `pack`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facejobs.data.face_records import FaceRecordFile
from facejobs.data.fresh_output import fresh_directory
from facejobs.data.labels import read_list

_DIGITS = 7
_MAX_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """What was unpacked: `named` files got the name their `.lst` line gives; `absent` lines are about no image."""

    directory: Path
    images: int
    identities: int
    named: int
    absent: int


@dataclass
class _Folders:
    """Which folder each identity goes to: the name its first `.lst` line gives, made unique, or its number."""

    root: Path
    by_label: dict[int, Path] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def of(self, label: int, wanted: str | None) -> Path:
        if label in self.by_label:
            return self.by_label[label]
        name = wanted or f"{label:0{_DIGITS}d}"
        if name.casefold() in self.taken:
            name = f"{name}-{label}"
        while name.casefold() in self.taken:
            name += "-"
        self.taken.add(name.casefold())
        folder = self.root / name
        folder.mkdir()
        self.by_label[label] = folder
        return folder


def unpack_records(directory: Path, output: Path, progress: Callable[[int, int], None]) -> UnpackReport:
    """Write every image of the data set in `directory`, byte for byte, as `output/IDENTITY/IMAGE`.

    Names come from `NAME.lst` where there is one and it names the image; otherwise an identity is its number and an
    image its record number. `progress` gets (images done, images in all).

    Raises RecordError for a record that cannot be read, DataError for a malformed `.lst`, OutputExistsError if
    `output` holds something. Then nothing is written.
    """
    records = FaceRecordFile.open(directory)
    named = done = absent = 0
    with fresh_directory(output) as work:
        folders = _Folders(work)
        for position, listed in _images_and_paths(records):
            if position is None:
                absent += 1
                continue
            done += 1
            progress(done, len(records))
            record = records.image(position)
            path = PurePosixPath(listed.replace("\\", "/")) if listed else PurePosixPath()
            folder = folders.of(record.label, _safe(path.parent.name))
            stem = _safe(path.stem)
            suffix = _suffix(record.image)
            target = folder / f"{stem or f'{record.key:0{_DIGITS}d}'}{suffix}"
            if target.exists():
                target = folder / f"{target.stem}-record{record.key}{suffix}"
                stem = None
            with target.open("xb") as file:
                file.write(record.image)
            named += stem is not None
    return UnpackReport(output, len(records), len(folders.by_label), named, absent)


def _images_and_paths(records: FaceRecordFile) -> Iterator[tuple[int | None, str | None]]:
    """Yield every image position once: first those the `.lst` names, in its order, then the others.

    A line about an image that is not there yields None as its position.
    """
    image_list = records.path.with_suffix(".lst")
    seen = bytearray(len(records))
    if image_list.exists():
        for entry in read_list(image_list):
            position = records.position_of(entry.key)
            if position is None:
                yield None, entry.path
            elif not seen[position]:
                seen[position] = 1
                yield position, entry.path
    for position, was_seen in enumerate(seen):
        if not was_seen:
            yield position, None


def _safe(name: str) -> str | None:
    """Return `name` if it can be one component of a path on any system, else None."""
    usable = (
        name not in ("", ".", "..") and name.isprintable() and len(name.encode(errors="replace")) <= _MAX_NAME_BYTES
    )
    return name if usable and not any(character in name for character in '/\\:*?"<>|') else None


def _suffix(image: memoryview) -> str:
    start = bytes(image[:4])
    if start[:2] == b"\xff\xd8":
        return ".jpg"
    return ".png" if start == b"\x89PNG" else ".bin"
