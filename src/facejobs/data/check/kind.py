"""Which kind of data set a folder holds, told by its content."""

from pathlib import Path
from typing import Literal

from facejobs.data.detection.detection_split import find_splits
from facejobs.data.errors import DataError
from facejobs.data.reading import reading


def kind_of_data(directory: Path) -> Literal["records", "photographs"]:
    """Tell records from photographs with labelled faces; DataError where the folder holds neither."""
    with reading(directory):
        if not directory.is_dir():
            what = "is a file, not a directory" if directory.exists() else "no such directory"
            raise DataError(f"{directory}: {what}; give the directory of a data set")
        if any(path.suffix == ".rec" for path in directory.iterdir()):
            return "records"
    if find_splits(directory):
        return "photographs"
    raise DataError(
        f"{directory}: holds neither NAME.rec, nor images/ and label.txt, nor train/, val/ or test/ with those"
    )
