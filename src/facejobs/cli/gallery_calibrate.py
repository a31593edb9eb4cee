"""facejobs gallery calibrate."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facejobs.cli.progress import counting

if TYPE_CHECKING:
    from facejobs.evaluation.accept_threshold import IdentificationTrials
    from facejobs.gallery.calibration import Source
    from facejobs.gallery.face_source import FaceSource
    from facejobs.gallery.matching import Rule
    from facejobs.gallery.probes import Probes
    from facejobs.gallery.store import Gallery


def calibrate(
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of a gallery.")],
    far: Annotated[
        float,
        typer.Option(
            "--far",
            metavar="RATE",
            help="Share of strangers' faces that may be given a name, such as 0.01 for 1 in 100.",
        ),
    ],
    photographs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with a folder for each person: those in the gallery are known, all others strangers, who "
            "alone set the threshold. Without it, the gallery's own images.",
        ),
    ] = None,
    detector: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Detector that made the gallery, with --photographs.")
    ] = None,
    recogniser: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Recogniser that made the gallery, with --photographs.")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photographs are aligned faces of 112x112 already: no detector.")
    ] = False,
    rule: Annotated[str, typer.Option(help="Rule of matching: mean, image or knn.")] = "mean",
    neighbours: Annotated[int, typer.Option(min=1, help="Nearest images that vote, with knn.")] = 5,
    scale: Annotated[
        str, typer.Option(help="Size at which photographs are shown: original, short-S (short side S) or multi.")
    ] = "original",
    out: Annotated[
        Path | None, typer.Option(help="New folder for calibration.json, trials.npz and the reliability picture.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the calibration as JSON.")] = False,
) -> None:
    """Choose the threshold at which strangers are named no more often than --far, and keep it in the gallery.

    Also fits the probability that a name is right. Refuses a rate that there are too few strangers' faces for.
    """
    from facejobs.cli.calibration_table import to_table, warnings_of
    from facejobs.cli.recognise import rule_of
    from facejobs.data.fresh_output import fresh_directory
    from facejobs.gallery.calibration import calibrate as fit
    from facejobs.gallery.calibration_report import save_calibration
    from facejobs.gallery.changes import changing
    from facejobs.gallery.store import Gallery

    _check_options(far, photographs, detector, recogniser, aligned)
    chosen_rule = rule_of(rule)
    assert chosen_rule is not None
    known = Gallery.open(gallery)
    with nullcontext() if out is None else fresh_directory(out) as folder:
        probes = None if photographs is None else _probes(known, far, photographs, detector, recogniser, scale)
        source: Source = "inside the gallery" if probes is None else "aligned faces" if aligned else "photographs"
        trials = _trials(known, probes, chosen_rule, neighbours)
        calibration, reliability = fit(
            known,
            trials,
            far,
            rule=chosen_rule,
            neighbours=neighbours,
            source=source,
            data=None if probes is None else probes.fingerprint,
        )
        if folder is not None:
            save_calibration(folder, calibration, trials, reliability)
        with changing(gallery) as change:
            change.set_calibration(calibration.model_dump(mode="json"))
    for warning in warnings_of(calibration):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(calibration.model_dump_json(indent=2) if as_json else to_table(known, calibration, probes))


def _check_options(
    far: float, photographs: Path | None, detector: str | None, recogniser: Path | None, aligned: bool
) -> None:
    if not 0 < far < 1:
        raise typer.BadParameter("give a rate between 0 and 1, such as 0.01", param_hint="--far")
    if photographs is None:
        if detector or recogniser or aligned:
            raise typer.BadParameter(
                "without photographs the gallery's own images are used, and no model", param_hint="--photographs"
            )
    elif recogniser is None:
        raise typer.BadParameter("name the recogniser that made the gallery", param_hint="--recogniser")
    elif aligned == (detector is not None):
        problem = "aligned faces need no detector" if aligned else "name the detector that made the gallery"
        raise typer.BadParameter(problem, param_hint="--detector")


def _trials(gallery: "Gallery", probes: "Probes | None", rule: "Rule", neighbours: int) -> "IdentificationTrials":
    from facejobs.gallery.calibration_trials import enrolled_probes, trials_inside, trials_of_probes

    if probes is None:
        return trials_inside(gallery, rule)
    enrolled = enrolled_probes(gallery, probes)
    trials = trials_of_probes(gallery, probes, enrolled, rule, neighbours)
    missed = int((~probes.searched).sum())
    if missed:
        typer.echo(f"no face was found in {missed:,} of {len(probes.names):,} photographs; they are left out", err=True)
    if enrolled.any():
        use = "count as strangers to everybody else only" if trials.known_as_strangers else "are left out"
        typer.echo(
            f"warning: {enrolled.sum():,} of {len(probes.names):,} photographs are enrolled in the gallery, so that "
            f"they are recognised proves nothing; they {use}",
            err=True,
        )
    return trials


def _probes(
    gallery: "Gallery", far: float, photographs: Path, detector: str | None, recogniser: Path | None, scale: str
) -> "Probes":
    """Embed the photographs, unless there are too few of them whatever they show."""
    from facejobs.evaluation.accept_threshold import require_strangers
    from facejobs.gallery.calibration_trials import STRANGER, find_people
    from facejobs.gallery.probes import find_probes, read_probes

    assert recogniser is not None
    source = _source(detector, recogniser, scale)
    gallery.require_models(source.models.get("detector", gallery.detector), source.models["recogniser"])
    persons = [person for person, _ in find_probes(photographs)]
    strangers = int((find_people(gallery, persons) == STRANGER).sum())
    require_strangers(strangers or len(persons), far, known_as_strangers=not strangers)
    with counting("describing", len(persons)) as advance:
        return read_probes(photographs, source, advance)


def _source(detector: str | None, recogniser: Path, scale: str) -> "FaceSource":
    from facejobs.data.detection.test_scale import TestScale
    from facejobs.data.model_folder import find_model_folder
    from facejobs.gallery.face_source import AlignedFaces, Photographs
    from facejobs.inference.embedder import Embedder
    from facejobs.inference.face_pipeline import FacePipeline
    from facejobs.inference.model_identity import identity_of

    if detector is not None:
        return Photographs(FacePipeline.open(detector, recogniser, scale=TestScale.parse(scale)))
    embedder = Embedder.load(find_model_folder(recogniser))
    return AlignedFaces(embedder, identity_of(embedder.description))
