"""Where the files of one record data set lie: `NAME.rec`, `NAME.idx`, perhaps `NAME.lst`, and `property`."""

from dataclasses import dataclass
from pathlib import Path

from facejobs.data.errors import DataError
from facejobs.data.reading import reading


@dataclass(frozen=True, slots=True)
class RecordFolder:
    """The paths of one data set. Only `records` is known to exist."""

    records: Path
    property_file: Path

    @property
    def index(self) -> Path:
        """`NAME.idx`: record number and byte offset of every record."""
        return self.records.with_suffix(".idx")

    @property
    def image_list(self) -> Path:
        """`NAME.lst`: label and source path of every image; optional."""
        return self.records.with_suffix(".lst")


def find_records(directory: Path) -> RecordFolder:
    """Find the one `.rec` file of `directory`; DataError if the directory is missing or does not hold exactly one."""
    with reading(directory):
        if not directory.is_dir():
            what = "is a file, not a directory" if directory.exists() else "no such directory"
            raise DataError(f"{directory}: {what}; give the directory that holds NAME.rec, NAME.idx and property")
        # Not glob, which passes over a folder that it may not read as if it were empty.
        found = sorted(path for path in directory.iterdir() if path.suffix == ".rec" and not path.is_dir())
    if not found:
        raise DataError(f"{directory}: holds no .rec file; build one with `facejobs data pack FOLDER OUT`")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{directory}: holds {len(found)} .rec files ({names}); keep one data set per directory")
    return RecordFolder(found[0], directory / "property")
