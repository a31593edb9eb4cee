"""A bar on stderr that says how many photographs are done."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(text: str, total: int, beside_output: bool = True) -> Iterator[Callable[[], None]]:
    """Yield what to call after each of `total` photographs.

    Nothing is shown for a single one, or where stderr is no terminal; without `beside_output`, or where stdout is one.
    """
    from rich.console import Console
    from rich.progress import Progress

    shown = total > 1 and sys.stderr.isatty() and (beside_output or not sys.stdout.isatty())
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)
