"""Names by the million: a file with one JSON string a line, decoded only where somebody looks."""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.errors import GalleryError

_NEWLINE = ord("\n")


class NameList(Sequence[str]):
    """The names in a file's `content`; `path` is where it came from, for messages.

    Raises GalleryError where the content does not end with a line, and, on access, for a line that is no JSON string.
    """

    def __init__(self, content: bytes, path: Path) -> None:
        self._content = content
        self._path = path
        ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE) + 1
        if (ends[-1] if len(ends) else 0) != len(content):
            raise GalleryError(f"{path} is cut off in its last line; copy the whole gallery again")
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        try:
            name = json.loads(self.line(number))
        except (ValueError, RecursionError):
            name = None
        if not isinstance(name, str):
            raise GalleryError(f"{self._path}, line {number + 1}: not a JSON string; copy the whole gallery again")
        return name

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    def line(self, number: int) -> bytes:
        """The line itself, with its end."""
        return self._content[self._ends[number - 1] if number else 0 : self._ends[number]]

    def lines(self, numbers: NDArray[np.int64]) -> Iterator[bytes]:
        """The lines themselves, in the order asked for."""
        return (self.line(int(number)) for number in numbers)

    def find(self, name: str) -> int | None:
        """Where `name` stands in a list that is sorted by `name_order`; None where it does not."""
        number = bisect_left(self, name_order(name), key=name_order)
        return number if number < len(self) and self[number] == name else None


def name_order(name: str) -> bytes:
    """What the people of a gallery are sorted by: code points, as UTF-8 compares them."""
    return name.encode("utf-8", "surrogatepass")


def name_line(name: str) -> bytes:
    """The line that stands for a name: readable, but for code points that UTF-8 has no bytes for."""
    try:
        return json.dumps(name, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(name).encode() + b"\n"


def name_lines(names: Iterable[str]) -> Iterator[bytes]:
    """A line for each name."""
    return map(name_line, names)
