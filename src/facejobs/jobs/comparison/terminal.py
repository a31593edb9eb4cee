"""A comparison for the terminal: readable at 40 columns, and without control codes where it is piped."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facejobs.jobs.comparison.changes import is_seed
from facejobs.jobs.comparison.comparison import Comparison, Pair
from facejobs.jobs.comparison.formatting import number, plain, signed, value_text
from facejobs.jobs.comparison.metric_rows import Cell, MetricRow
from facejobs.jobs.comparison.run import Fact
from facejobs.jobs.comparison.verdict import Judgement

_STYLES = {Judgement.CREDITED: "bold green", Judgement.CONFOUNDED: "bold yellow", Judgement.UNFINISHED: "bold cyan"}
_NUMBER_WIDTH = 9
# What a column of values needs so that they are not folded every few letters.
_VALUE_WIDTH = 16


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print verdicts, what differs, the metrics, and what could not be read."""
    for pair in comparison.pairs:
        _print_pair(pair, console)
    _print_differences(comparison, console)
    if comparison.rows:
        _print_metrics(comparison, console)
    for note in comparison.notes:
        console.print(Text(f"note: {plain(note)}", style="dim"))


def _print_pair(pair: Pair, console: Console) -> None:
    verdict = pair.verdict
    console.print(Text(plain(verdict.sentence), style=_STYLES.get(verdict.judgement, "bold")))
    for detail in verdict.details:
        console.print(Padding(Text(plain(detail)), (0, 0, 0, 2), expand=False))
    if verdict.experiments:
        console.print("  To find out more:")
    for experiment in verdict.experiments:
        # On one line however long, so that it can be copied.
        console.print(Text(f"    {experiment.command}", style="cyan"), soft_wrap=True)
        console.print(Padding(Text(f"shows {experiment.shows}", style="dim"), (0, 0, 0, 6), expand=False))
    console.print()


def _print_differences(comparison: Comparison, console: Console) -> None:
    if not comparison.facts:
        console.print(Text("Nothing that is recorded differs."))
    versions = [run.version for run in comparison.runs]
    for title, facts in (
        ("What differs", comparison.influential),
        ("Differs, without influence on the result", comparison.uninfluential),
    ):
        if facts and console.width < _VALUE_WIDTH * (len(versions) + 1):
            _print_stacked(title, versions, facts, console)
        elif facts:
            console.print(_differences(title, versions, facts))
    console.print()


def _differences(title: str, versions: Sequence[str], facts: Mapping[Fact, tuple[Any, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column("", overflow="fold")
    for version in versions:
        table.add_column(version, overflow="fold", min_width=len(version))
    for fact, values in facts.items():
        table.add_row(_label(fact), *(Text(value_text(value)) for value in values))
    return table


def _print_stacked(
    title: str, versions: Sequence[str], facts: Mapping[Fact, tuple[Any, ...]], console: Console
) -> None:
    console.print(Text(title, style="italic"))
    for fact, values in facts.items():
        console.print(_label(fact))
        for version, value in zip(versions, values, strict=True):
            console.print(Padding(Text(f"{version} {value_text(value)}"), (0, 0, 0, 2), expand=False))


def _label(fact: Fact) -> Text:
    return Text(plain(str(fact)), style="dim" if is_seed(fact) else "")


def _print_metrics(comparison: Comparison, console: Console) -> None:
    first = comparison.runs[0].version
    heads = ["", "final", f"- {first}", "best", "at step", f"- {first}", ""]
    groups = [_lines(row, comparison) for row in comparison.rows]
    columns = zip(heads, *(line for group in groups for line in group), strict=True)
    widths = [max(map(len, column)) for column in columns]
    widths[1:-1] = [max(width, _NUMBER_WIDTH) for width in widths[1:-1]]
    fits = sum(widths) + len(widths) - 1 <= console.width
    console.print(Text("Metrics" if fits else f"Metrics, with differences from {first}", style="italic"))
    if fits:
        console.print(Text(_line(heads, widths), style="bold"))
    for row, group in zip(comparison.rows, groups, strict=True):
        console.print(Text(plain(row.name), style="bold"))
        for line in group:
            console.print(Text(_line(line, widths) if fits else _stacked(line, widths)))


def _lines(row: MetricRow, comparison: Comparison) -> list[list[str]]:
    versions = [run.version for run in comparison.runs]
    return [
        [f"  {version}", *_cells(cell), remark(row, cell)] for version, cell in zip(versions, row.cells, strict=True)
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line of columns as wide as in every other line, so that a metric's long name may stand between them."""
    version, *numbers, word = cells
    aligned = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return " ".join([version.ljust(widths[0]), *aligned, word]).rstrip()


def _stacked(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The same on two lines, final and best, without the step; on one line where there is no best value."""
    version, final, final_difference, best, _, best_difference, word = cells
    parts = [["final", final, final_difference], ["best", best, best_difference]][: 2 if best else 1]
    parts[-1].append(word)
    lines = []
    for head, (label, value, difference, *words) in zip((version, ""), parts, strict=False):
        numbers = [value.rjust(max(widths[1], widths[3])), *([difference.rjust(_NUMBER_WIDTH)] if difference else [])]
        lines.append(" ".join([head.ljust(widths[0]), label.ljust(len("final")), *numbers, *words]).rstrip())
    return "\n".join(lines)


def _cells(cell: Cell) -> list[str]:
    if cell.final is None:
        return ["–", "", "", "", ""]
    return [
        number(cell.final.value),
        _signed(cell.final_difference),
        "" if cell.best is None else number(cell.best.value),
        "" if cell.best is None else f"{cell.best.step:,}",
        _signed(cell.best_difference),
    ]


def _signed(difference: float | None) -> str:
    return "" if difference is None else signed(difference)


def remark(row: MetricRow, cell: Cell) -> str:
    """What is to be said of one difference, in a word or two; empty for nothing."""
    if cell.not_compared:
        return "not compared"
    if not cell.best_difference:
        return ""
    if cell.in_band:
        return "noise"
    return "better" if cell.best_difference * row.direction.value > 0 else "worse"
