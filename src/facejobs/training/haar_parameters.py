"""Parameters of a Haar cascade's training."""

from pydantic import Field

from facejobs.training.detection_parameters import DetectionParameters

WINDOW = (20, 24)
"""Width and height of the faces that a cascade learns, in pixels; labelled faces are higher than wide."""


class HaarParameters(DetectionParameters):
    """Those of detectors, of which a cascade heeds threads, seed, eval_data and eval_scale alone, and its own."""

    stages: int = Field(16, ge=1, le=40, description="haar: stages of the cascade")
    hit_rate: float = Field(
        0.995, gt=0.5, lt=1, description="haar: share of the faces that each stage is to accept at least"
    )
    false_alarm_rate: float = Field(
        0.5, gt=0, lt=1, description="haar: share of the backgrounds that each stage is to accept at most"
    )
    backgrounds: float = Field(2.0, gt=0, le=20, description="haar: backgrounds for each face")
