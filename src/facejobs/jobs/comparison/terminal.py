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


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print verdicts, what differs, the metrics, and what could not be read."""
    for pair in comparison.pairs:
        _print_pair(pair, console)
    console.print(_differences(comparison) if comparison.facts else Text("Nothing that is recorded differs."))
    console.print()
    if comparison.rows:
        console.print(_metrics(comparison))
    for note in comparison.notes:
        console.print(Text(f"note: {plain(note)}", style="dim"))


def _print_pair(pair: Pair, console: Console) -> None:
    verdict = pair.verdict
    console.print(Text(plain(verdict.sentence), style=_STYLES.get(verdict.judgement, "bold")))
    for detail in verdict.details:
        console.print(Padding(Text(plain(detail)), (0, 0, 0, 2)))
    if verdict.experiments:
        console.print("  To find out more:")
    for experiment in verdict.experiments:
        # On one line however long, so that it can be copied.
        console.print(Text(f"    {experiment.command}", style="cyan"), soft_wrap=True)
        console.print(Padding(Text(f"shows {experiment.shows}", style="dim"), (0, 0, 0, 6)))
    console.print()


def _differences(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What differs", title_justify="left", padding=(0, 1), pad_edge=False)
    table.add_column("", overflow="fold")
    for run in comparison.runs:
        table.add_column(run.version, overflow="fold")
    for fact, values in comparison.facts.items():
        label = Text(plain(str(fact)), style="dim" if is_seed(fact) else "")
        table.add_row(label, *(Text(value_text(value)) for value in values))
    return table


def _metrics(comparison: Comparison) -> Table:
    first = comparison.runs[0].version
    table = Table(box=box.SIMPLE_HEAD, title="Metrics", title_justify="left", padding=(0, 1), pad_edge=False)
    table.add_column("")
    for name in ("final", f"- {first}", "best", "at step", f"- {first}"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in comparison.rows:
        table.add_row(Text(plain(row.name), style="bold"), end_section=False)
        for run, cell in zip(comparison.runs, row.cells, strict=True):
            table.add_row(f"  {run.version}", *_cells(cell), Text(remark(row, cell)))
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
    if cell.in_band:
        return "noise"
    if not cell.best_difference:
        return ""
    return "better" if cell.best_difference * row.direction.value > 0 else "worse"
