"""Where verification sets lie: the same for training and for `facejobs evaluate verification`."""

from collections.abc import Iterator
from pathlib import Path

from facejobs.data.errors import DataError
from facejobs.data.pairs import PAIRS_NAME

_SUBFOLDER = "verification"


def find_pair_sets(path: Path) -> list[Path]:
    """Return what `load_pairs` can load at `path`: itself, or the sets in and around a folder without pairs.txt.

    Raises DataError where there is nothing.
    """
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
    beside it.
    """
    places = (folder, folder / _SUBFOLDER, folder.resolve().parent / _SUBFOLDER)
    found: dict[Path, Path] = {}
    for place in places:
        for path in _sets_in(place):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _sets_in(place: Path) -> Iterator[Path]:
    yield from sorted(path for path in place.glob("*.bin") if path.is_file())
    yield from sorted(path.parent for path in place.glob(f"*/{PAIRS_NAME}"))
