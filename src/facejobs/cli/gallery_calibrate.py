"""facejobs gallery calibrate."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facejobs.evaluation.accept_threshold import IdentificationTrials
    from facejobs.gallery.calibration import Calibration
    from facejobs.gallery.matching import Rule
    from facejobs.gallery.probes import Probes
    from facejobs.gallery.store import Gallery

_FEW_STRANGERS = 30
_MOST_SHOWN = 10


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
            help="Folder with a folder for each person: those in the gallery are known, all others strangers. Without "
            "it, the gallery's own images.",
        ),
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Detector that made the gallery, with --photographs.")
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
        probes = photographs and _probes(known, photographs, detector, recogniser, aligned, scale)
        trials = _trials(known, probes or None, chosen_rule, neighbours)
        calibration, reliability = fit(
            known,
            trials,
            far,
            rule=chosen_rule,
            neighbours=neighbours,
            source="inside the gallery" if not probes else "aligned faces" if aligned else "photographs",
            data=probes.fingerprint if probes else None,
        )
        if folder is not None:
            save_calibration(folder, calibration, trials, reliability)
        with changing(gallery) as change:
            change.set_calibration(calibration.model_dump(mode="json"))
    _warn(calibration)
    if as_json:
        typer.echo(json.dumps(calibration.model_dump(mode="json"), indent=2))
    else:
        typer.echo(_describe(gallery, calibration))
        if probes:
            _print_accepted(known, probes, calibration)


def _check_options(
    far: float, photographs: Path | None, detector: Path | None, recogniser: Path | None, aligned: bool
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
    from facejobs.gallery.calibration_trials import trials_inside, trials_of_probes

    if probes is None:
        return trials_inside(gallery, rule)
    missed = int((~probes.searched).sum())
    if missed:
        typer.echo(f"no face was found in {missed:,} of {len(probes.names):,} photographs; they are left out", err=True)
    return trials_of_probes(gallery, probes, rule, neighbours)


def _probes(
    gallery: "Gallery", photographs: Path, detector: Path | None, recogniser: Path | None, aligned: bool, scale: str
) -> "Probes":
    from facejobs.data.detection.test_scale import TestScale
    from facejobs.data.model_folder import find_model_folder
    from facejobs.gallery.face_source import AlignedFaces, Photographs
    from facejobs.gallery.probes import read_probes
    from facejobs.inference.embedder import Embedder
    from facejobs.inference.face_pipeline import FacePipeline
    from facejobs.inference.model_identity import identity_of

    assert recogniser is not None
    if aligned:
        embedder = Embedder.load(find_model_folder(recogniser))
        identity = identity_of(embedder.description)
        gallery.require_models(gallery.detector, identity)
        return read_probes(photographs, AlignedFaces(embedder, identity))
    assert detector is not None
    pipeline = FacePipeline.open(detector, recogniser, scale=TestScale.parse(scale))
    gallery.require_models(pipeline.detector_identity, pipeline.recogniser_identity)
    return read_probes(photographs, Photographs(pipeline))


def _warn(calibration: "Calibration") -> None:
    found = calibration.threshold
    if calibration.source == "inside the gallery":
        typer.echo(
            "warning: this was measured on the gallery's own images, which says little of other photographs: those of "
            "one person were often taken on one day, and no stranger is among them. --photographs measures real ones",
            err=True,
        )
    elif not found.known_faces:
        typer.echo(
            "warning: no folder of the photographs is named as a person of the gallery is, so it is not known how "
            "often known people are recognised, and there are no probabilities",
            err=True,
        )
    if found.strangers < _FEW_STRANGERS:
        typer.echo(
            f"warning: the strangers' faces are of {found.strangers} people only; others may be named much more often",
            err=True,
        )
    if found.far_interval[1] > 3 * found.target:
        typer.echo(
            f"warning: so few faces leave it open whether up to {found.far_interval[1]:.2g} of strangers' faces are "
            "named; more strangers make that narrower",
            err=True,
        )


def _describe(gallery: Path, calibration: "Calibration") -> str:
    found, probability = calibration.threshold, calibration.probability
    low, high = found.threshold_interval
    lines = [
        f"{gallery}: rule {calibration.rule}, measured on {calibration.source}",
        f"  threshold          {found.threshold:.4f}  [{low:.4f}, {high:.4f}]",
        f"  false-accept rate  {_rate(found.far, found.far_interval)}  of {found.stranger_faces:,} faces of "
        f"{found.strangers:,} strangers are named (at most {found.target:g} asked for)",
    ]
    if found.tar is not None and found.tar_interval is not None:
        lines.append(
            f"  true-accept rate   {_rate(found.tar, found.tar_interval)}  of {found.known_faces:,} faces of "
            f"{found.known_people:,} known people are named rightly"
        )
    if probability is not None:
        error = probability.expected_error
        lines.append(
            f"  probability        {probability.method}"
            + ("" if error is None else f", off by {error:.3f} on average for people it was not fitted to")
        )
    return "\n".join(lines)


def _print_accepted(gallery: "Gallery", probes: "Probes", calibration: "Calibration") -> None:
    from facejobs.cli.tables import printable
    from facejobs.gallery.calibration_trials import accepted_strangers

    threshold = calibration.threshold.threshold
    accepted = accepted_strangers(gallery, probes, calibration.rule, calibration.neighbours, threshold)
    if accepted:
        typer.echo("strangers who are named; if one is that person, correct the folder and calibrate again:")
    for photograph, person, similarity in accepted[:_MOST_SHOWN]:
        typer.echo(f"  {printable(photograph)}  {printable(person)}  {similarity:.4f}")
    if len(accepted) > _MOST_SHOWN:
        typer.echo(f"  … and {len(accepted) - _MOST_SHOWN} more")


def _rate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.4f}  [{interval[0]:.4f}, {interval[1]:.4f}]"
