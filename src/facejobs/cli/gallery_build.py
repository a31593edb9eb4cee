"""facejobs gallery build, add and report."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facejobs.cli.progress import counting

if TYPE_CHECKING:
    from facejobs.gallery.build import Enrolled, Enroller
    from facejobs.gallery.enrolment import Enrolment, Refusal
    from facejobs.gallery.face_quality import QualityLimits
    from facejobs.gallery.report import Findings
    from facejobs.inference.face_pipeline import FacePipeline

_METRICS_PROTOCOL = "enrolment"

DetectorArgument = Annotated[
    str, typer.Argument(metavar="DETECTOR", help="Model folder of a detector with landmarks, or output of its run.")
]
RecogniserArgument = Annotated[
    Path, typer.Argument(metavar="RECOGNISER", help="Model folder of a recogniser, or output of its run.")
]
EyeDistance = Annotated[
    float, typer.Option("--min-eye-distance", min=0, help="Fewest pixels between the eyes of an enrolled face.")
]
Blur = Annotated[float, typer.Option("--max-blur", min=0, max=1, help="Most blur of an enrolled face, 0 to 1.")]
Yaw = Annotated[float, typer.Option("--max-yaw", min=0, max=180, help="Most degrees a face is turned to a side.")]
Pitch = Annotated[float, typer.Option("--max-pitch", min=0, max=90, help="Most degrees a face looks up or down.")]
Score = Annotated[float, typer.Option("--min-score", min=0, help="Lowest score the detector gives an enrolled face.")]
Scale = Annotated[
    str, typer.Option(help="Size at which photographs are shown: original, short-S (short side S) or multi.")
]
Pictures = Annotated[bool, typer.Option("--pictures/--no-pictures", help="Keep a small picture of each enrolled face.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was enrolled and what was refused as JSON.")]


def build(
    photographs: Annotated[
        Path, typer.Argument(metavar="PHOTOGRAPHS", help="Folder with a folder of photographs for each person.")
    ],
    detector: DetectorArgument,
    recogniser: RecogniserArgument,
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="New folder for the gallery.")],
    min_eye_distance: EyeDistance = 16.0,
    max_blur: Blur = 0.65,
    max_yaw: Yaw = 50.0,
    max_pitch: Pitch = 45.0,
    min_score: Score = 0.5,
    scale: Scale = "original",
    pictures: Pictures = True,
    as_json: AsJson = False,
) -> None:
    """Make a gallery of known people from photographs.

    Photographs that do not show one face clearly are refused, each with the reason. GALLERY/report.html shows them, and
    what looks like a mix-up.
    """
    from facejobs.data.fresh_output import refuse_existing
    from facejobs.gallery.build import build_gallery
    from facejobs.gallery.enrolment import find_enrolment
    from facejobs.gallery.face_quality import QualityLimits

    if gallery.absolute().is_relative_to(photographs.absolute()):
        raise typer.BadParameter("name a folder outside the photographs", param_hint="GALLERY")
    refuse_existing(gallery)
    limits = QualityLimits(min_eye_distance, max_blur, max_yaw, max_pitch, min_score)
    pipeline = _pipeline(detector, recogniser, scale)
    enrolment = find_enrolment(photographs)
    with _enroller(pipeline, limits, pictures, enrolment) as enroller:
        enrolled = build_gallery(enrolment, gallery, enroller)
    _finish(gallery, enrolled, as_json, metrics=True)


def add(
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of a gallery.")],
    photographs: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOGRAPHS",
            help="Folder with a folder of photographs for each person; with --person, one or a folder of them.",
        ),
    ],
    detector: DetectorArgument,
    recogniser: RecogniserArgument,
    person: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose photographs they are.", show_default=False)
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put them in place of the images that these people have.")
    ] = False,
    min_eye_distance: EyeDistance = 16.0,
    max_blur: Blur = 0.65,
    max_yaw: Yaw = 50.0,
    max_pitch: Pitch = 45.0,
    min_score: Score = 0.5,
    scale: Scale = "original",
    pictures: Pictures = True,
    as_json: AsJson = False,
) -> None:
    """Enrol more photographs, of people who are in a gallery or not yet.

    The models must be those that made the gallery. It changes at once, or not at all.
    """
    from facejobs.gallery.build import add_to_gallery
    from facejobs.gallery.enrolment import enrolment_of, find_enrolment
    from facejobs.gallery.face_quality import QualityLimits
    from facejobs.gallery.store import Gallery

    Gallery.open(gallery)
    limits = QualityLimits(min_eye_distance, max_blur, max_yaw, max_pitch, min_score)
    pipeline = _pipeline(detector, recogniser, scale)
    enrolment = find_enrolment(photographs) if person is None else enrolment_of(person, photographs)
    with _enroller(pipeline, limits, pictures, enrolment) as enroller:
        enrolled = add_to_gallery(enrolment, gallery, enroller, replace)
    _finish(gallery, enrolled, as_json)


def report(
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of a gallery.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for the report instead of GALLERY/report.html.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the likely mix-ups as JSON.")] = False,
) -> None:
    """Look for mix-ups in a gallery, and show its people and what was found on one page."""
    _finish(gallery, None, as_json, out)


def _pipeline(detector: str, recogniser: Path, scale: str) -> "FacePipeline":
    from facejobs.data.detection.test_scale import TestScale
    from facejobs.inference.face_pipeline import FacePipeline

    return FacePipeline.open(detector, recogniser, scale=TestScale.parse(scale))


@contextmanager
def _enroller(
    pipeline: "FacePipeline", limits: "QualityLimits", pictures: bool, enrolment: "Enrolment"
) -> "Iterator[Enroller]":
    """An enroller that names each refused photograph on stderr and shows how many are done."""
    from facejobs.gallery.build import Enroller

    with counting("enrolling", len(enrolment.photographs)) as advance:
        yield Enroller(pipeline, limits, pictures, _print_refusal, advance)


def _print_refusal(refusal: "Refusal") -> None:
    from facejobs.cli.tables import printable

    typer.echo(f"refused: {printable(str(refusal.path))}: {printable(refusal.reason)}", err=True)


def _finish(
    folder: Path, enrolled: "Enrolled | None", as_json: bool, out: Path | None = None, metrics: bool = False
) -> None:
    """Write the report and say what there is."""
    from facejobs.evaluation.metric_lines import write_metrics
    from facejobs.gallery.changes import REPORT_NAME
    from facejobs.gallery.errors import ReportError
    from facejobs.gallery.lock import locked
    from facejobs.gallery.report import check_replaceable, examine, write_report
    from facejobs.gallery.store import Gallery

    target = folder / REPORT_NAME if out is None else out
    Gallery.open(folder)
    check_replaceable(target)
    # A report in the gallery's folder must not outlive a removal that happens while it is made.
    with locked(folder) if out is None else nullcontext():
        opened = Gallery.open(folder)
        findings = examine(opened, enrolled.refusals, enrolled.chosen) if enrolled else examine(opened)
        try:
            write_report(findings, target)
        except OSError as error:
            raise ReportError(
                f"{target}: {error.strerror}; the gallery is complete, only its report is not: "
                "`facejobs gallery report` makes it"
            ) from None
    summary = _summary(findings)
    if metrics:
        counts = {name: value for name, value in summary.items() if isinstance(value, int)}
        write_metrics(
            folder, ({"name": name, "value": value, "protocol": _METRICS_PROTOCOL} for name, value in counts.items())
        )
    if as_json:
        typer.echo(json.dumps(summary, indent=2, allow_nan=False))
    else:
        _print_summary(findings, target)


def _summary(findings: "Findings") -> dict[str, Any]:
    gallery, mix_ups = findings.gallery, findings.mix_ups

    def of_row(row: int) -> dict[str, str]:
        return {"person": gallery.people[int(gallery.person_of_row[row])], "photograph": gallery.photographs[row]}

    summary: dict[str, Any] = {
        "people": len(gallery.people),
        "images": len(gallery.embeddings),
        "refused_photographs": findings.refused_photographs,
        "people_without_image": len(findings.without_image),
        "refused": [
            {"person": refusal.person, "path": str(refusal.path), "reason": refusal.reason}
            for refusal in findings.refusals
        ],
        "chosen": [{"person": one.person, "path": str(one.path), "faces": one.faces} for one in findings.chosen],
        "without_image": findings.without_image,
    }
    if mix_ups is not None:
        summary |= {
            "likely_mix_ups": len(mix_ups.strays) + len(mix_ups.alike) + len(mix_ups.same),
            "strays": [
                {**of_row(stray.row), "own": stray.own, "other_person": gallery.people[stray.other_person],
                 "other": stray.other}
                for stray in mix_ups.strays
            ],
            "alike": [
                {"people": [gallery.people[pair.first], gallery.people[pair.second]], "similarity": pair.similarity}
                for pair in mix_ups.alike
            ],
            "same": [
                {"images": [of_row(pair.first), of_row(pair.second)], "similarity": pair.similarity}
                for pair in mix_ups.same
            ],
        }  # fmt: skip
    return summary


def _print_summary(findings: "Findings", report_file: Path) -> None:
    from facejobs.cli.counts import count_of
    from facejobs.cli.tables import printable

    gallery, mix_ups = findings.gallery, findings.mix_ups
    people, images = count_of(len(gallery.people), "person"), count_of(len(gallery.embeddings), "image")
    typer.echo(f"{printable(str(gallery.folder))}: {people}, {images}")
    if findings.refused_photographs:
        typer.echo(f"{count_of(findings.refused_photographs, 'photograph')} not enrolled")
    if findings.chosen:
        typer.echo(
            f"{count_of(len(findings.chosen), 'photograph')} with several faces, of which the largest was enrolled"
        )
    if findings.without_image:
        names = ", ".join(printable(name) for name in findings.without_image[:10])
        rest = len(findings.without_image) - 10
        typer.echo(f"without an image: {names}{f' and {rest:,} more' if rest > 0 else ''}")
    if mix_ups is None:
        typer.echo("too large to look for mix-ups")
    else:
        typer.echo(
            f"likely mix-ups: {count_of(len(mix_ups.strays), 'image')} unlike their person, "
            f"{count_of(len(mix_ups.alike), 'pair')} of people alike, "
            f"{count_of(len(mix_ups.same), 'pair')} of images nearly the same"
        )
    typer.echo(f"report: {printable(str(report_file))}")
