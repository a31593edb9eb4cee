"""Shows how far a transfer is: files, bytes and rate; nothing where nobody watches."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class TransferProgress:
    """Context manager of one bar on stderr; silent unless `shown` and stderr is a terminal."""

    def __init__(self, label: str, files: int, size: int, shown: bool) -> None:
        self._label = label
        self._files = files
        self._size = size
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shown = shown and sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._shown:
            self._bar, self._task = _start(self._label, self._files, self._size)
        return self

    def advance(self, size: int) -> None:
        """One more file of `size` bytes is done."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=size, files=f"{self._done}/{self._files} files")

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


def _start(label: str, files: int, size: int) -> "tuple[Progress, TaskID]":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task(label, total=size, files=f"0/{files} files")
    bar.start()
    return bar, task
