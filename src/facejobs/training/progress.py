"""What a person, or a job's log, sees of a running training."""

import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

log = logging.getLogger(__name__)

_LOG_SECONDS = 20.0


class Progress:
    """A bar on a terminal; elsewhere a log line now and then."""

    def __init__(self, total: int, start: int) -> None:
        self._bar: RichProgress | None = None
        self._logged = 0.0
        self._total = total
        if sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
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
        text = (
            f"epoch {epoch + 1}  loss {means['loss']:.3f}  accuracy {means.get('accuracy', float('nan')):.3f}  "
            f"lr {lr:.4g}  {means['images_per_second']:.1f} images/s"
        )
        if self._bar:
            self._bar.update(self._task, description=text)
        elif time.monotonic() - self._logged > _LOG_SECONDS or step == self._total:
            self._logged = time.monotonic()
            log.info("step %d/%d  %s", step, self._total, text)
