"""Lists and facts on the terminal, and the same as plain text where nobody looks at a terminal."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime

import typer

# Laying out a table costs about a millisecond a row.
_MOST_RICH_ROWS = 300
_WIDEST_NAME = 24
_NARROW = 20


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: folded to the terminal's width where there is one, else one line a row."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty() or len(rows) > _MOST_RICH_ROWS:
        typer.echo("\n".join(_plain([headers, *rows])))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for header in headers[:-1]:
        table.add_column(header, no_wrap=True)
    table.add_column(headers[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print a heading and `name  value` lines, folded on a terminal; nothing if there are no facts."""
    facts = [(printable(name), printable(value)) for name, value in facts]
    if not facts:
        return
    typer.echo(f"\n{title}")
    width = min(_WIDEST_NAME, max(len(name) for name, _ in facts))
    room = shutil.get_terminal_size().columns - width - 4 if sys.stdout.isatty() else 0
    for name, value in facts:
        lines = textwrap.wrap(value, room, break_on_hyphens=False) if room > _NARROW else [value]
        typer.echo(f"  {name:<{width}}  {lines[0] if lines else ''}".rstrip())
        for line in lines[1:]:
            typer.echo(f"  {'':<{width}}  {line}")


def printable(text: str) -> str:
    """The text with control characters shown as escapes: what a store holds must not steer the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def local_time(time: datetime | None) -> str:
    """`2026-01-31 14:05` in this machine's time zone; a dash for none."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M") if time else "-"


def duration(seconds: float | None) -> str:
    """`45s`, `12m30s`, `3h05m`, `2d07h`; a dash for none."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def byte_count(number: int) -> str:
    """`812 B`, `3.4 MiB`."""
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{number} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _plain(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
