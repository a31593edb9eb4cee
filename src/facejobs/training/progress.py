"""What a person, or a job's log, sees of a running training."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

log = logging.getLogger(__name__)

_LOG_SECONDS = 20.0
_BAR_WIDTH = 12


class _CroppedDescription(ProgressColumn):
    """The only column that gives way on a narrow terminal."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class Progress:
    """A bar on a terminal; elsewhere a log line now and then. Log lines go above the bar if they go to sys.stderr."""

    def __init__(self, total: int, start: int) -> None:
        self._bar: RichProgress | None = None
        self._logged = 0.0
        self._total = total
        if sys.stderr.isatty():
            columns = (
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                BarColumn(_BAR_WIDTH, table_column=Column(no_wrap=True)),
                TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
                _CroppedDescription(),
            )
            self._bar = RichProgress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=total, completed=start)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Move the bar."""
        if self._bar:
            self._bar.update(self._task, completed=step)

    def report(self, step: int, epoch: int, lr: float, means: Mapping[str, float]) -> None:
        """Show the newest means."""
        shown = "  ".join(
            f"{name} {value:.3f}" for name, value in means.items() if name in ("loss", "accuracy") or "_loss" in name
        )
        text = f"epoch {epoch + 1}  {shown}  lr {lr:.4g}  {means['images_per_second']:.1f} images/s"
        if self._bar:
            self._bar.update(self._task, description=text)
        elif step == self._total or self._log_is_due():
            log.info("step %d/%d  %s", step, self._total, text)

    @contextmanager
    def measuring(self, name: str, images: int) -> Iterator[Callable[[int, int], None]]:
        """Show, below the bar, how far the measurement on a set is; what is yielded takes images done and in all."""
        self._logged = time.monotonic()
        if self._bar is None:
            yield lambda done, _: self._log_measuring(name, done, images)
            return
        bar, task = self._bar, self._bar.add_task(f"measuring {name}", total=images)
        try:
            yield lambda done, _: bar.update(task, completed=done)
        finally:
            bar.remove_task(task)

    def _log_measuring(self, name: str, done: int, images: int) -> None:
        if self._log_is_due():
            log.info("measuring %s: %d of %d images", name, done, images)

    def _log_is_due(self) -> bool:
        now = time.monotonic()
        due = now - self._logged > _LOG_SECONDS
        if due:
            self._logged = now
        return due
