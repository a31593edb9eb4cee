"""How the check of photographs with labelled faces is shown: as text for people, as JSON for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from facejobs.cli.check_report import findings_as_json, print_facts, print_findings, print_spread, spread_as_json
from facejobs.cli.counts import count_of
from facejobs.data.check import PhotographReport
from facejobs.data.check.photograph_check import SplitCounts

_ADVICE = {
    "split": "a split is a folder with images/ and label.txt",
    "missing-image": "copy the image to images/, or take it out of the label file",
    "unreadable": "copy it again from its source; training skips such images and counts them",
    "unlabelled": "to be background, a photograph without a face is listed: `# path`, or in WIDER's format path and 0",
    "orientation": "turn the labels with the photograph, or store the photograph upright without EXIF",
    "image-in-two-splits": "keep it in one of them: a model is not to be measured on what it was trained on",
    "box-outside": "correct the box; see that the labels count pixels of this very size of the photograph",
}


def photographs_as_json(report: PhotographReport) -> dict[str, Any]:
    """Return the report as plain JSON values; docs/reference/file-formats.md describes them."""
    return {
        "path": str(report.path),
        "layout": "photographs",
        "splits": [asdict(split) for split in report.splits],
        "smallest_image": _size_as_json(report.smallest),
        "largest_image": _size_as_json(report.largest),
        "face_heights": spread_as_json(report.face_heights, "faces"),
        **findings_as_json(report.findings),
    }


def print_photographs(report: PhotographReport, console: Console) -> None:
    """Print the report: facts, sizes of faces, findings grouped by kind, verdict."""
    facts = [("folder", f"{report.path} (photographs)"), *((split.name, _described(split)) for split in report.splits)]
    if report.smallest and report.largest:
        (low, narrow), (high, wide) = report.smallest, report.largest
        facts.append(("pixels", f"{narrow}x{low} to {wide}x{high}"))
    print_facts(facts, console)
    if report.face_heights:
        print_spread("heights of faces in pixels", report.face_heights, console)
    print_findings(report.findings, _ADVICE, console)


def _described(split: SplitCounts) -> str:
    if split.dialect is None:
        return "no labels could be read"
    empty = f" ({split.images_without_faces:,} without a face)" if split.images_without_faces else ""
    ignored = f", {split.ignored:,} ignored" if split.ignored else ""
    return (
        f"{count_of(split.images, 'image')}{empty}, {count_of(split.faces, 'face')}, "
        f"{split.with_landmarks:,} with landmarks{ignored} ({split.dialect} labels)"
    )


def _size_as_json(size: tuple[int, int] | None) -> dict[str, int] | None:
    return {"height": size[0], "width": size[1]} if size else None
