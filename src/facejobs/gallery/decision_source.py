"""Where the threshold comes from that decides who is named: from the user, the calibration, or the gallery itself."""

from dataclasses import dataclass, replace
from typing import Literal

from facejobs.data.errors import RequestError
from facejobs.gallery.calibration import Calibration, calibration_of, provisional_threshold
from facejobs.gallery.decision import Decision
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.matching import Rule
from facejobs.gallery.store import Gallery

DEFAULT_RULE: Rule = "mean"
DEFAULT_NEIGHBOURS = 5

Source = Literal["--threshold", "calibration", "provisional"]


@dataclass(frozen=True, slots=True)
class SourcedDecision:
    """A decision, where its threshold comes from, what that means, and what there is to warn of."""

    decision: Decision
    source: Source
    meaning: str
    warnings: tuple[str, ...] = ()


def decision_for(
    gallery: Gallery, threshold: float | None = None, rule: Rule | None = None, neighbours: int | None = None
) -> SourcedDecision:
    """Return how to decide in this gallery: by `threshold`, else by its calibration, else by a provisional threshold.

    The rule is by default the calibrated one. Raises GalleryError where another rule than the calibrated one is asked
    for without a threshold, and where the gallery is too small to say anything of a threshold, and RequestError for
    `neighbours` of a rule that asks for none.
    """
    calibration = calibration_of(gallery)
    decided = rule or (calibration.rule if calibration else DEFAULT_RULE)
    if neighbours is not None and decided != "knn":
        raise RequestError(f"--neighbours is {neighbours}, but the rule is {decided}: only knn asks for some")
    if calibration is None:
        asked = Decision(0.0, decided, neighbours or DEFAULT_NEIGHBOURS)
        return _given(threshold, asked) if threshold is not None else _provisional(gallery, asked)
    calibrated = calibration.decision
    asked = replace(calibrated, rule=decided, neighbours=neighbours or calibrated.neighbours)
    same_rule = asked.rule == calibrated.rule and (asked.rule != "knn" or asked.neighbours == calibrated.neighbours)
    if threshold is not None:
        if not same_rule:
            return _given(threshold, replace(asked, scaling=None))
        return replace(_given(threshold, asked), warnings=_warnings(gallery, calibration))
    if not same_rule:
        raise GalleryError(
            f"{gallery.folder} was calibrated for {_rule(calibrated)}, and that threshold says nothing of "
            f"{_rule(asked)}; calibrate it for that (facejobs gallery calibrate --rule {asked.rule}), or give "
            "--threshold"
        )
    return SourcedDecision(calibrated, "calibration", _calibrated(calibration), _warnings(gallery, calibration))


def _given(threshold: float, asked: Decision) -> SourcedDecision:
    return SourcedDecision(replace(asked, threshold=threshold), "--threshold", "as given")


def _provisional(gallery: Gallery, asked: Decision) -> SourcedDecision:
    chosen = provisional_threshold(gallery, asked.rule)
    accepted = round(chosen.far * chosen.stranger_faces)
    warning = (
        f"{gallery.folder} is not calibrated, so there are no probabilities, and the threshold {chosen.threshold:.4f} "
        f"is provisional: {accepted} of {chosen.stranger_faces} enrolled images would be taken for another person. How "
        f"strangers fare is not known; show it some: facejobs gallery calibrate {gallery.folder} --photographs FOLDER …"
    )
    meaning = f"provisional, false-accept rate {chosen.far:.2g} among the enrolled images"
    return SourcedDecision(replace(asked, threshold=chosen.threshold), "provisional", meaning, (warning,))


def _calibrated(calibration: Calibration) -> str:
    found = calibration.threshold
    low, high = found.far_interval
    return f"calibrated for a false-accept rate of {found.target:g}; measured {found.far:.2g} [{low:.2g}, {high:.2g}]"


def _warnings(gallery: Gallery, calibration: Calibration) -> tuple[str, ...]:
    warnings = []
    if not calibration.holds_for(gallery):
        now = len(gallery.people)
        more = now / max(calibration.people, 1)
        growth = f"; strangers may be named {more:.2g} times as often" if more > 1 else ""
        warnings.append(
            f"{gallery.folder} was changed since it was calibrated (people then {calibration.people:,}, now {now:,})"
            f"{growth}; calibrate it again"
        )
    if calibration.source == "inside the gallery":
        warnings.append(
            f"{gallery.folder} was calibrated on its own images only, which says little of other photographs; "
            f"facejobs gallery calibrate {gallery.folder} --photographs FOLDER … measures those"
        )
    elif calibration.threshold.known_as_strangers:
        warnings.append(
            f"{gallery.folder} was calibrated without strangers, who may be named more often than known people are "
            "confused; calibrate it again with photographs of people who are not in it"
        )
    return tuple(warnings)


def _rule(decision: Decision) -> str:
    return f"{decision.rule} of {decision.neighbours}" if decision.rule == "knn" else f"the rule {decision.rule}"
