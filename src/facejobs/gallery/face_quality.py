"""Whether a face shows enough of its person to be enrolled: size, sharpness, pose and the detector's score."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.blur import blur_effect
from facejobs.gallery.head_pose import HeadPose, estimate_pose
from facejobs.inference.face_pipeline import DescribedFace

# From this distance between the eyes on, an aligned face of 112 pixels holds no pixel that was made up.
_FULL_EYE_DISTANCE = 35.0
# The blur of sharp photographs of faces.
_SHARP = 0.3


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """What a face must reach to be enrolled.

    `least_eye_distance` is in pixels of the photograph, `most_blur` 0 to 1 as `blur_effect` gives it, `most_yaw` and
    `most_pitch` in degrees to either side, `least_score` the detector's.
    """

    least_eye_distance: float = 16.0
    most_blur: float = 0.65
    most_yaw: float = 50.0
    most_pitch: float = 45.0
    least_score: float = 0.5


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What was measured of one face."""

    eye_distance: float
    blur: float
    pose: HeadPose
    score: float

    @property
    def value(self) -> float:
        """One number from 0 to 1: the worst of size, sharpness, pose and score, since one is enough to spoil a face."""
        frontal = math.cos(math.radians(self.pose.yaw)) * math.cos(math.radians(self.pose.pitch))
        sharpness = (1.0 - self.blur) / (1.0 - _SHARP)
        terms = (self.eye_distance / _FULL_EYE_DISTANCE, sharpness, frontal, self.score)
        return float(np.clip(min(terms), 0.0, 1.0))

    def refusal(self, limits: QualityLimits) -> str | None:
        """Why the face is not enrolled, with each number that fails and its limit; None where it is good enough."""
        reasons = []
        # Numbers are rounded away from their limits, so that a near miss is seen to be one.
        if self.eye_distance < limits.least_eye_distance:
            distance = math.floor(self.eye_distance * 10) / 10
            reasons.append(f"too small: {distance} pixels between the eyes, least {limits.least_eye_distance:g}")
        if self.blur > limits.most_blur:
            reasons.append(f"blurred: blur {math.ceil(self.blur * 100) / 100}, most {limits.most_blur:g}")
        if abs(self.pose.yaw) > limits.most_yaw:
            side = "right" if self.pose.yaw > 0 else "left"
            degrees = math.ceil(abs(self.pose.yaw))
            reasons.append(f"turned to the {side} by about {degrees} degrees, most {limits.most_yaw:g}")
        if abs(self.pose.pitch) > limits.most_pitch:
            way = "down" if self.pose.pitch > 0 else "up"
            degrees = math.ceil(abs(self.pose.pitch))
            reasons.append(f"looks {way} by about {degrees} degrees, most {limits.most_pitch:g}")
        if self.score < limits.least_score:
            score = math.floor(self.score * 100) / 100
            reasons.append(f"the detector is unsure: score {score}, least {limits.least_score:g}")
        return "; ".join(reasons) or None


def measure_quality(face: DescribedFace) -> FaceQuality:
    """Measure a face that a pipeline described."""
    return FaceQuality(
        _eye_distance(face.landmarks), blur_effect(face.aligned), estimate_pose(face.landmarks), face.score
    )


def _eye_distance(landmarks: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(landmarks[1].astype(np.float64) - landmarks[0]))
