"""The parts of a data check's report that every kind of data has."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from facejobs.cli.counts import count_of
from facejobs.data.check.findings import FindingLog
from facejobs.data.check.spread import Bin, Spread

_BAR_WIDTH = 30
_RANGE_WIDTH = 9
_SHOWN_PER_KIND = 10


def findings_as_json(log: FindingLog) -> dict[str, Any]:
    """Return the totals, the counts of each kind, and the findings kept, as plain JSON values."""
    return {
        "errors": log.total("error"),
        "warnings": log.total("warning"),
        "counts": [
            {"severity": severity, "kind": kind, "count": count} for (severity, kind), count in log.counts.items()
        ],
        "findings": [asdict(finding) for finding in log.shown],
    }


def spread_as_json(spread: Spread | None, counted: str) -> dict[str, Any] | None:
    """Return a spread as plain JSON values; `counted` names what a bin of the histogram counts."""
    if spread is None:
        return None
    bins = [{"least": bin_.least, "most": bin_.most, counted: bin_.count} for bin_ in spread.histogram]
    return {**asdict(spread), "histogram": bins}


def print_facts(facts: Sequence[tuple[str, str]], console: Console) -> None:
    """Print one line for each name and value."""
    for name, value in facts:
        console.print(f"[dim]{name:<10}[/]  {escape(value)}", highlight=False, soft_wrap=True)


def print_spread(title: str, spread: Spread, console: Console) -> None:
    """Print range, middle and histogram."""
    console.print(
        f"\n[bold]{title}[/]: from {round(spread.minimum, 1):g} to {round(spread.maximum, 1):g}, "
        f"median {round(spread.median, 1):g}, mean {spread.mean:.1f}",
        highlight=False,
    )
    most = max(bin_.count for bin_ in spread.histogram)
    full, trace = ("█", "▏") if console.encoding.startswith("utf") else ("#", ".")
    width = max(1, min(_BAR_WIDTH, console.width - _RANGE_WIDTH - len(f"{most:,}") - len("    ")))
    for bin_ in spread.histogram:
        length = round(width * bin_.count / most)
        bar = full * length if length or not bin_.count else trace
        line = f"  {_range(bin_):>{_RANGE_WIDTH}} {bar:<{width}} {bin_.count:,}"
        console.print(line, highlight=False, soft_wrap=True)


def print_findings(log: FindingLog, advice: Mapping[str, str], console: Console) -> None:
    """Print the findings by kind, errors first, each kind with its advice, then the verdict."""
    for severity, colour in (("error", "red"), ("warning", "yellow")):
        for of, kind in log.counts:
            if of == severity:
                _print_kind(log, of, kind, colour, console)
                if kind in advice:
                    console.print(f"  [cyan]to do:[/] {escape(advice[kind])}", highlight=False, soft_wrap=True)
    console.print()
    errors, warnings = log.total("error"), log.total("warning")
    if errors:
        console.print(f"[red]{count_of(errors, 'error')}[/], {count_of(warnings, 'warning')}", highlight=False)
    elif warnings:
        console.print(f"[green]no error[/], {count_of(warnings, 'warning')}", highlight=False)
    else:
        console.print("[green]clean[/]: no error, no warning")


def _range(bin_: Bin) -> str:
    if bin_.most is None:
        return f"{bin_.least}+"
    return str(bin_.least) if bin_.most == bin_.least else f"{bin_.least}-{bin_.most}"


def _print_kind(log: FindingLog, severity: str, kind: str, colour: str, console: Console) -> None:
    kept = [finding for finding in log.shown if (finding.severity, finding.kind) == (severity, kind)]
    findings = kept[:_SHOWN_PER_KIND]
    total = sum(count for key, count in log.counts.items() if key == (severity, kind))
    console.print(f"\n[{colour} bold]{severity}[/] [bold]{kind}[/] ({total:,})", highlight=False)
    for finding in findings:
        place = f"{finding.place}: " if finding.place else ""
        console.print(f"  {escape(place + finding.message)}", highlight=False, soft_wrap=True)
    if total > len(findings):
        console.print(
            f"  … and {total - len(findings):,} more (--json lists the first 100)", style="dim", highlight=False
        )
