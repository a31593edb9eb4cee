"""What a gallery was calibrated to: its threshold, how sure that is, and what probability a similarity means."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facejobs.evaluation.accept_threshold import (
    AcceptThreshold,
    IdentificationTrials,
    choose_threshold,
    strictest_rate,
)
from facejobs.evaluation.match_probability import KNOWN_SHARE, Reliability, fit_match_probability, measure_reliability
from facejobs.evaluation.platt_scaling import PlattScaling
from facejobs.gallery.calibration_trials import trials_inside
from facejobs.gallery.decision import Decision
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.matching import Rule
from facejobs.gallery.store import Gallery

_PROVISIONAL_FAR = 0.01
_PROVISIONAL_IMAGES = 1000
_LOOSEST_PROVISIONAL_FAR = 0.1

Source = Literal["photographs", "aligned faces", "inside the gallery"]
Rate = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ThresholdRecord(_Part):
    """The fields of AcceptThreshold."""

    target: Annotated[float, Field(gt=0, lt=1)]
    threshold: float
    threshold_interval: tuple[float, float]
    far: Rate
    far_interval: tuple[Rate, Rate]
    tar: Rate | None
    tar_interval: tuple[Rate, Rate] | None
    stranger_faces: int
    strangers: int
    known_as_strangers: bool
    known_faces: int
    known_people: int


class ProbabilityRecord(_Part):
    """A PlattScaling, and how true its probabilities were on people it was not fitted to (None: too few of them)."""

    method: Literal["Platt scaling"] = "Platt scaling"
    known_share: Rate = KNOWN_SHARE
    slope: float
    offset: float
    lowest: Rate
    highest: Rate
    brier: float | None
    expected_error: float | None

    @property
    def scaling(self) -> PlattScaling:
        """What makes probabilities of similarities."""
        return PlattScaling(self.slope, self.offset, self.lowest, self.highest)


class Calibration(_Part):
    """What `facejobs gallery calibrate` found for one rule of matching, on what, and what the gallery was then.

    `data` is the SHA-256 over the photographs, None inside the gallery; `embeddings` that of the gallery's vectors.
    """

    rule: Rule
    neighbours: int
    source: Source
    data: str | None
    people: int
    embeddings: str
    threshold: ThresholdRecord
    probability: ProbabilityRecord | None

    @property
    def decision(self) -> Decision:
        """How faces are decided by it."""
        record = self.probability
        scaling = None if record is None else record.scaling
        return Decision(self.threshold.threshold, self.rule, self.neighbours, scaling)

    def holds_for(self, gallery: Gallery) -> bool:
        """Whether the gallery still is what was calibrated."""
        return self.embeddings == gallery.description.files["embeddings"].blake3


def calibrate(
    gallery: Gallery,
    trials: IdentificationTrials,
    target: float,
    *,
    rule: Rule,
    neighbours: int,
    source: Source,
    data: str | None = None,
) -> tuple[Calibration, Reliability | None]:
    """Return the calibration of `gallery` for a false-accept rate of `target`, and how its probabilities hold.

    Probabilities need faces of known people: without any there are none. Raises UnsupportedRateError where there are
    too few strangers' faces, NotSeparableError where the similarities of known people and of strangers are the same.
    """
    chosen = choose_threshold(trials, target)
    probability, reliability = _probability(trials)
    calibration = Calibration(
        rule=rule,
        neighbours=neighbours,
        source=source,
        data=data,
        people=len(gallery.people),
        embeddings=gallery.description.files["embeddings"].blake3,
        threshold=ThresholdRecord(**asdict(chosen)),
        probability=probability,
    )
    return calibration, reliability


def calibration_of(gallery: Gallery) -> Calibration | None:
    """Return what the gallery was calibrated to; raises GalleryError where that is of another format."""
    if gallery.calibration is None:
        return None
    try:
        return Calibration.model_validate(gallery.calibration)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise GalleryError(
            f"{gallery.folder}: its calibration cannot be used ({place}: {problem['msg']}); "
            f"calibrate it again: facejobs gallery calibrate {gallery.folder}"
        ) from None


def provisional_threshold(gallery: Gallery, rule: Rule) -> AcceptThreshold:
    """Return a threshold for a gallery without calibration, from its own images: for a false-accept rate of 1 %, or the
    lowest that they say anything of.

    Raises GalleryError where that is more than 10 %: so few images are no base for naming strangers.
    """
    trials = trials_inside(gallery, rule, _PROVISIONAL_IMAGES)
    faces = len(trials.strangers)
    target = max(_PROVISIONAL_FAR, strictest_rate(faces)) if faces else 1.0
    if target > _LOOSEST_PROVISIONAL_FAR:
        raise GalleryError(
            f"{gallery.folder}: nothing says yet how similar a face must be to be named. Show it people who are not in "
            f"it: facejobs gallery calibrate {gallery.folder} --photographs FOLDER …; or choose a cosine similarity "
            "yourself: --threshold 0.4"
        )
    return choose_threshold(trials, target)


def _probability(trials: IdentificationTrials) -> tuple[ProbabilityRecord | None, Reliability | None]:
    if not trials.known_right.any():
        return None, None
    scaling, reliability = fit_match_probability(trials), measure_reliability(trials)
    record = ProbabilityRecord(
        slope=scaling.slope,
        offset=scaling.offset,
        lowest=scaling.lowest,
        highest=scaling.highest,
        brier=reliability and reliability.brier,
        expected_error=reliability and reliability.expected_error,
    )
    return record, reliability
