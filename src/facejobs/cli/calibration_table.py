"""A calibration as lines to read, and what to warn of."""

from facejobs.cli.counts import count_of
from facejobs.cli.tables import printable
from facejobs.gallery.calibration import Calibration
from facejobs.gallery.calibration_trials import accepted_strangers
from facejobs.gallery.probes import Probes
from facejobs.gallery.store import Gallery

_FEW_STRANGERS = 30
_WIDE = 3.0
_MOST_SHOWN = 10


def to_table(gallery: Gallery, calibration: Calibration, probes: Probes | None) -> str:
    """Return the calibration of `gallery`, and the strangers among `probes` who are named, as lines for a terminal."""
    found, probability = calibration.threshold, calibration.probability
    low, high = found.threshold_interval
    tried = (
        f"{found.strangers:,} known people, each tried against everybody else,"
        if found.known_as_strangers
        else count_of(found.strangers, "stranger")
    )
    lines = [
        f"{printable(str(gallery.folder))}: rule {calibration.rule}, measured on {calibration.source}",
        f"  threshold          {found.threshold:.4f}  [{low:.4f}, {high:.4f}]",
        f"  false-accept rate  {_rate(found.far, found.far_interval)}  of {count_of(found.stranger_faces, 'face')} of "
        f"{tried} are named (at most {found.target:g} asked for)",
    ]
    if found.tar is not None and found.tar_interval is not None:
        lines.append(
            f"  true-accept rate   {_rate(found.tar, found.tar_interval)}  of {count_of(found.known_faces, 'face')} of "
            f"{found.known_people:,} known people are named rightly"
        )
    if probability is not None:
        error = probability.expected_error
        measured = "" if error is None else f", off by {error:.3f} on average for people it was not fitted to"
        lines.append(f"  probability        {probability.method}{measured}")
    return "\n".join(lines if probes is None else [*lines, *_accepted(gallery, calibration, probes)])


def warnings_of(calibration: Calibration) -> list[str]:
    """Return what the numbers do not prove."""
    found, warnings = calibration.threshold, []
    if calibration.source == "inside the gallery":
        warnings.append(
            "this was measured on the gallery's own images, which says little of other photographs: those of one "
            "person were often taken on one day, and no stranger is among them. --photographs measures real ones"
        )
    elif found.known_as_strangers:
        warnings.append(
            "no photograph shows a stranger, so those of known people were tried instead, each against everybody else; "
            "true strangers may be named more often. Add a folder unknown with people who are not in the gallery"
        )
    if calibration.source != "inside the gallery" and not found.known_faces:
        warnings.append(
            "no photograph counts for a person of the gallery (no folder is named as one, or theirs are enrolled), so "
            "it is not known how often known people are recognised, and there are no probabilities"
        )
    if found.strangers < _FEW_STRANGERS:
        warnings.append(
            f"the strangers' faces are of {count_of(found.strangers, 'person')} only; others may be named much more "
            "often"
        )
    if found.far_interval[1] > _WIDE * found.target:
        warnings.append(
            f"so few faces leave it open whether up to {found.far_interval[1]:.2g} of strangers' faces are named; more "
            "strangers make that narrower"
        )
    return warnings


def _accepted(gallery: Gallery, calibration: Calibration, probes: Probes) -> list[str]:
    threshold = calibration.threshold.threshold
    accepted = accepted_strangers(gallery, probes, calibration.rule, calibration.neighbours, threshold)
    if not accepted:
        return []
    lines = ["strangers who are named; if one is that person, correct the folder and calibrate again:"]
    lines += [
        f"  {printable(path)}  {printable(person)}  {score:.4f}" for path, person, score in accepted[:_MOST_SHOWN]
    ]
    return [*lines, f"  … and {len(accepted) - _MOST_SHOWN:,} more"] if len(accepted) > _MOST_SHOWN else lines


def _rate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.4f}  [{interval[0]:.4f}, {interval[1]:.4f}]"
