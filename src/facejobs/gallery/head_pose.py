"""How far a head is turned, from its five landmarks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facejobs.data.alignment import TEMPLATE

# How far the tip of the nose lies before the plane of the other points, in distances between the eyes.
_NOSE_DEPTH = 0.43


def _mean_head() -> NDArray[np.float64]:
    points = np.zeros((5, 3))
    points[:, :2] = TEMPLATE
    points[2, 2] = _NOSE_DEPTH * float(np.linalg.norm(TEMPLATE[1] - TEMPLATE[0]))
    centred: NDArray[np.float64] = points - points.mean(axis=0)
    return centred


_FROM_HEAD = np.linalg.pinv(_mean_head())


class HeadPose(NamedTuple):
    """Angles in degrees: `yaw` turns the nose to the right of the image, `pitch` down."""

    yaw: float
    pitch: float


def estimate_pose(landmarks: NDArray[np.float32]) -> HeadPose:
    """Return the pose of a head with these landmarks (5, 2), in pixels and in the order of `facejobs.data.alignment`.

    The scaled orthographic projection of a mean head that fits them best in least squares, its rotation made proper
    (the first step of POSIT: DeMenthon and Davis, "Model-based object pose in 25 lines of code", 1995). An inclination
    to a shoulder does not matter. Five points of a mean head tell an angle to about 10 degrees.
    """
    points = np.asarray(landmarks, np.float64)
    affine = (_FROM_HEAD @ (points - points.mean(axis=0))).T
    left, _, right = np.linalg.svd(affine, full_matrices=False)
    across, down = left @ right
    away = np.cross(across, down)
    # Depth of the image's axes after the roll is taken out; the angles are those of yaw first, then pitch.
    roll = np.arctan2(down[0], across[0])
    sideways = np.cos(roll) * across[2] + np.sin(roll) * down[2]
    downwards = np.cos(roll) * down[2] - np.sin(roll) * across[2]
    yaw = np.arctan2(sideways, away[2])
    pitch = np.arcsin(np.clip(downwards, -1.0, 1.0))
    return HeadPose(float(np.degrees(yaw)), float(np.degrees(pitch)))
