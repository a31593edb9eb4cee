"""A comparison for the terminal: readable at 80 columns, and without control codes where it is piped."""

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facejobs.jobs.comparison.changes import is_seed
from facejobs.jobs.comparison.comparison import Comparison, Pair
from facejobs.jobs.comparison.formatting import number, plain, signed, value_text
from facejobs.jobs.comparison.metric_rows import Cell, MetricRow
from facejobs.jobs.comparison.verdict import Judgement

_STYLES = {Judgement.CREDITED: "bold green", Judgement.CONFOUNDED: "bold yellow", Judgement.UNFINISHED: "bold cyan"}
_VERSION_WIDTH = 9
_NUMBER_WIDTH = 9


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print verdicts, what differs, the metrics, and what could not be read."""
    for pair in comparison.pairs:
        _print_pair(pair, console)
    console.print(_differences(comparison) if comparison.facts else Text("Nothing that is recorded differs."))
    console.print()
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


def _differences(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What differs", title_justify="left", pad_edge=False)
    table.add_column("", overflow="fold")
    for run in comparison.runs:
        table.add_column(run.version, overflow="fold")
    for fact, values in comparison.facts.items():
        label = Text(plain(str(fact)), style="dim" if is_seed(fact) else "")
        table.add_row(label, *(Text(value_text(value)) for value in values))
    return table


def _print_metrics(comparison: Comparison, console: Console) -> None:
    first = comparison.runs[0].version
    console.print(Text("Metrics", style="italic"))
    heads = ("", "final", f"- {first}", "best", "at step", f"- {first}", "")
    console.print(_line(tuple(Text(head, style="bold") for head in heads)))
    for row in comparison.rows:
        console.print(Text(plain(row.name), style="bold"))
        for run, cell in zip(comparison.runs, row.cells, strict=True):
            console.print(_line((f"  {run.version}", *_cells(cell), remark(row, cell))))


def _line(cells: tuple[str | Text, ...]) -> Table:
    """One line of columns as wide as in every other line, so that a metric's long name may stand between them."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_VERSION_WIDTH)
    for _ in cells[1:-1]:
        table.add_column(width=_NUMBER_WIDTH, justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_row(*cells)
    return table


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
