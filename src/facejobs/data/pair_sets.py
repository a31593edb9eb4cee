"""Where verification sets lie: the same for training and for `facejobs evaluate verification`."""

import os
from pathlib import Path

from facejobs.data.errors import DataError
from facejobs.data.pairs import PAIRS_NAME
from facejobs.data.reading import reading

_SUBFOLDER = "verification"


def find_pair_sets(path: Path) -> list[Path]:
    """Return what `load_pairs` can load at `path`: itself, or the sets in and around a folder without pairs.txt.

    Raises DataError where there is nothing, or a folder may not be listed.
    """
    with reading(path):
        if not path.is_dir() or (path / PAIRS_NAME).is_file():
            return [path]
    found = sets_around(path)
    if not found:
        raise DataError(
            f"{path} holds neither {PAIRS_NAME} nor a .bin file; give an LFW-style folder "
            f"({PAIRS_NAME}, <Name>/<Name>_0001.jpg), an InsightFace .bin file, or a folder of them"
        )
    return found


def sets_around(folder: Path) -> list[Path]:
    """Return the verification sets of a data folder, where users of RecordIO faces keep them, each once.

    They are `.bin` files and folders with a `pairs.txt`, directly in `folder`, or in a folder `verification` in it or
    beside it. Raises DataError for one of these places that may not be listed.
    """
    places = (folder, folder / _SUBFOLDER, folder.resolve().parent / _SUBFOLDER)
    found: dict[Path, Path] = {}
    for place in places:
        for path in _sets_in(place):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _sets_in(place: Path) -> list[Path]:
    with reading(place):
        if not place.is_dir():
            return []
        # Not glob, which passes over a folder that it may not read as if it were empty.
        entries = sorted(place.iterdir())
        files = [path for path in entries if path.suffix == ".bin" and path.is_file()]
    # A subfolder of somebody else (lost+found) is none of ours.
    return files + [path for path in entries if os.access(path / PAIRS_NAME, os.F_OK)]
