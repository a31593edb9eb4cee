"""How the check of a record data set is shown: as text for people, as JSON for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from facejobs.cli.check_report import findings_as_json, print_facts, print_findings, print_spread, spread_as_json
from facejobs.data.check import CheckReport

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
        "images_per_identity": spread_as_json(report.images_per_identity, "identities"),
        **findings_as_json(report.findings),
    }


def print_report(report: CheckReport, console: Console) -> None:
    """Print the report: facts, spread, findings grouped by kind, verdict."""
    print_facts(_facts(report), console)
    if report.images_per_identity:
        print_spread("images per identity", report.images_per_identity, console)
    advice = {kind: text.format(directory=report.path.parent) for kind, text in _ADVICE.items()}
    print_findings(report.findings, advice, console)


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
