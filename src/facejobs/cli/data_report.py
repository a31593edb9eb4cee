"""How a data check is shown: as text for people, as JSON for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from facejobs.cli.counts import count_of
from facejobs.data.check import CheckReport
from facejobs.data.check.findings import Finding
from facejobs.data.check.identities import Bin, Spread

_BAR_WIDTH = 30
_RANGE_WIDTH = 9
_SHOWN_PER_KIND = 10
_ADVICE = {
    "index": "`facejobs data repair {directory}` rebuilds the .idx from the .rec",
    "damage": "copy the .rec again from its source; `facejobs data repair {directory}` keeps the whole records usable",
    "image-size": "align all images to one size, or correct property",
    "unreadable": "training skips such images and counts them, and refuses when there are too many",
    "list": "training goes by the labels in the .rec and never reads the .lst: correct or remove it",
    "property": "correct {directory}/property: one line identities,height,width",
}


def report_as_json(report: CheckReport) -> dict[str, Any]:
    """Return the report as plain JSON values; docs/reference/file-formats.md describes them."""
    return {
        "path": str(report.path),
        "bytes": report.bytes,
        "layout": report.layout,
        "records": report.records,
        "images": report.images,
        "identities": report.identities,
        "property": asdict(report.declared) if report.declared else None,
        "image_sizes": [
            {"height": height, "width": width, "images": images}
            for (height, width), images in sorted(report.image_sizes.items(), key=lambda item: -item[1])
        ],
        "images_per_identity": asdict(report.images_per_identity) if report.images_per_identity else None,
        "errors": report.errors,
        "warnings": report.warnings,
        "counts": [
            {"severity": severity, "kind": kind, "count": count}
            for (severity, kind), count in report.findings.counts.items()
        ],
        "findings": [asdict(finding) for finding in report.findings.shown],
    }


def print_report(report: CheckReport, console: Console) -> None:
    """Print the report: facts, spread, findings grouped by kind, verdict."""
    for name, value in _facts(report):
        console.print(f"[dim]{name:<10}[/]  {escape(value)}", highlight=False, soft_wrap=True)
    if report.images_per_identity:
        _print_spread(report.images_per_identity, console)
    for severity, colour in (("error", "red"), ("warning", "yellow")):
        for of, kind in report.findings.counts:
            if of == severity:
                _print_kind(report, of, kind, colour, console)
    console.print()
    if report.errors:
        console.print(
            f"[red]{count_of(report.errors, 'error')}[/], {count_of(report.warnings, 'warning')}", highlight=False
        )
    elif report.warnings:
        console.print(f"[green]no error[/], {count_of(report.warnings, 'warning')}", highlight=False)
    else:
        console.print("[green]clean[/]: no error, no warning")


def _facts(report: CheckReport) -> list[tuple[str, str]]:
    sizes = sorted(report.image_sizes.items(), key=lambda item: -item[1])
    pixels = ", ".join(f"{width}x{height} ({images:,})" for (height, width), images in sizes[:4])
    if len(sizes) > 4:
        pixels += f" and {len(sizes) - 4} other sizes"
    declared = str(report.declared) if report.declared else "missing or malformed"
    return [
        ("file", f"{report.path} ({report.bytes:,} bytes, {report.layout} layout)"),
        ("records", f"{report.records:,}"),
        ("images", f"{report.images:,}"),
        ("identities", f"{report.identities:,}"),
        ("pixels", pixels or "no image could be decoded"),
        ("property", declared),
    ]


def _print_spread(spread: Spread, console: Console) -> None:
    console.print(
        f"\n[bold]images per identity[/]: from {spread.minimum} to {spread.maximum}, "
        f"median {spread.median:g}, mean {spread.mean:.1f}",
        highlight=False,
    )
    most = max(bin_.identities for bin_ in spread.histogram)
    full, trace = ("█", "▏") if console.encoding.startswith("utf") else ("#", ".")
    width = max(1, min(_BAR_WIDTH, console.width - _RANGE_WIDTH - len(f"{most:,}") - len("    ")))
    for bin_ in spread.histogram:
        length = round(width * bin_.identities / most)
        bar = full * length if length or not bin_.identities else trace
        line = f"  {_range(bin_):>{_RANGE_WIDTH}} {bar:<{width}} {bin_.identities:,}"
        console.print(line, highlight=False, soft_wrap=True)


def _range(bin_: Bin) -> str:
    if bin_.most is None:
        return f"{bin_.least}+"
    return str(bin_.least) if bin_.most == bin_.least else f"{bin_.least}-{bin_.most}"


def _print_kind(report: CheckReport, severity: str, kind: str, colour: str, console: Console) -> None:
    kept = [finding for finding in report.findings.shown if (finding.severity, finding.kind) == (severity, kind)]
    findings = kept[:_SHOWN_PER_KIND]
    total = sum(count for key, count in report.findings.counts.items() if key == (severity, kind))
    console.print(f"\n[{colour} bold]{severity}[/] [bold]{kind}[/] ({total:,})", highlight=False)
    for finding in findings:
        console.print(f"  {escape(_where(finding))}{escape(finding.message)}", highlight=False, soft_wrap=True)
    if total > len(findings):
        console.print(
            f"  … and {total - len(findings):,} more (--json lists the first 100)", style="dim", highlight=False
        )
    if kind in _ADVICE:
        advice = _ADVICE[kind].format(directory=report.path.parent)
        console.print(f"  [cyan]to do:[/] {escape(advice)}", highlight=False, soft_wrap=True)


def _where(finding: Finding) -> str:
    record = "" if finding.record is None else f"record {finding.record}"
    byte = "" if finding.offset is None else f"byte {finding.offset}"
    place = ", ".join(part for part in (record, byte) if part)
    return f"{place}: " if place else ""
