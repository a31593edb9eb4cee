"""Face alignment: five landmarks to the 112x112 template every recogniser here is trained on.

Points are ordered left eye, right eye, nose tip, left mouth corner, right mouth corner, as seen in the
image, in pixels (x, y) with the centre of the top left pixel at (0, 0).
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.errors import DataError

TEMPLATE_SIZE = 112
TEMPLATE: npt.NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE.setflags(write=False)
_MIRRORED = 2.0
"""Landmarks that a reflection brings so many times nearer to the template are those of the wrong side. Of a head in
profile the ratio reaches 1.5, of a mirrored face it is 4.4.
"""

Points = npt.NDArray[Any] | Sequence[Sequence[float]]


def estimate_similarity(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """The rotation, uniform scale and shift that bring `source` nearest to `target` in least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991),
    restricted to proper rotations: in the plane the optimum has a closed form when points are read as complex
    numbers, and a mirrored `source` gets the best rotation, never a reflection.

    Both arguments have shape (n, 2), n >= 2. Returns the matrix (2, 3) to multiply (x, y, 1) with.
    Raises DataError for another shape, for coordinates that are not finite, for points that coincide, and for
    points on which no rotation is better than any other.
    """
    moving = _checked_points(source, "source")
    fixed = _checked_points(target, "target")
    if len(moving) != len(fixed):
        raise DataError(f"alignment needs as many source as target points, got {len(moving)} and {len(fixed)}")
    moving_mean, fixed_mean = moving.mean(), fixed.mean()
    moving_centred, fixed_centred = moving - moving_mean, fixed - fixed_mean
    with np.errstate(over="ignore"):
        spread = float(np.sum(np.abs(moving_centred) ** 2))
        fixed_spread = float(np.sum(np.abs(fixed_centred) ** 2))
    if not (np.isfinite(spread) and np.isfinite(fixed_spread)):
        raise DataError("landmark coordinates are too large to align")
    if spread <= (1e-9 * float(np.abs(moving).max())) ** 2 or fixed_spread == 0.0:
        raise DataError("landmarks coincide: no face can be aligned to a single point")
    covariance = complex(np.sum(np.conj(moving_centred) * fixed_centred))
    if abs(covariance) <= 1e-9 * np.sqrt(spread * fixed_spread):
        raise DataError("landmarks fix no rotation: they are not laid out like a face")
    turn = covariance / spread
    shift = fixed_mean - turn * moving_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def align_face(image: npt.NDArray[np.uint8], landmarks: Points, size: int = TEMPLATE_SIZE) -> npt.NDArray[np.uint8]:
    """Cut the face with these five landmarks (5, 2) out of an image (height, width, channels).

    Returns (size, size, channels), sampled bilinearly; what lies outside the image is 0. Where less than
    every second pixel would be sampled, blocks of pixels are averaged first, so that grain does not become a pattern.
    Raises DataError as `estimate_similarity` does, for landmarks whose left and right are exchanged, and for an image
    that is empty or not uint8.
    """
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype != np.uint8:
        raise DataError(f"cannot align an image of shape {image.shape} and type {image.dtype}: uint8 pixels are needed")
    if size < 1:
        raise DataError(f"the size of an aligned face must be positive, not {size}")
    if np.shape(landmarks) != (5, 2):
        raise DataError(f"a face has five landmarks (x, y), got an array of shape {np.shape(landmarks)}")
    matrix = estimate_similarity(landmarks, TEMPLATE * (size / TEMPLATE_SIZE))
    _refuse_mirrored(landmarks)
    image, matrix = _averaged(image, matrix, size)
    aligned: npt.NDArray[np.uint8] = cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    return aligned


def _averaged(
    image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], size: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """What is seen of the image with each block of pixels averaged to one, and the matrix from there; as it is where
    two of its pixels or fewer would fall on one.
    """
    block = int(1 / max(np.hypot(matrix[0, 0], matrix[1, 0]), 1 / max(image.shape[:2])))
    if block < 2:
        return image, matrix
    to_image = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ to_image[:, :2].T + to_image[:, 2]
    most = image.shape[1::-1]
    left, top = np.clip(np.floor(corners.min(axis=0)) - block, 0, most).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + block, 0, most).astype(int)
    if right <= left or bottom <= top:
        return image, matrix
    seen = image[top:bottom, left:right]
    height, width = (-(-side // block) for side in seen.shape[:2])
    border = cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
    whole = cv2.copyMakeBorder(
        seen, 0, height * block - seen.shape[0], 0, width * block - seen.shape[1], border, value=(0, 0, 0)
    )
    small: npt.NDArray[np.uint8] = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    # The centre of the first block is at (block - 1) / 2.
    first = np.array([left, top]) + (block - 1) / 2
    return small, np.column_stack([matrix[:, :2] * block, matrix[:, 2] + matrix[:, :2] @ first])


def _refuse_mirrored(landmarks: Points) -> None:
    moving, fixed = _checked_points(landmarks, "face"), _checked_points(TEMPLATE, "template")
    moving, fixed = moving - moving.mean(), fixed - fixed.mean()
    if abs(np.sum(moving * fixed)) > _MIRRORED * abs(np.sum(np.conj(moving) * fixed)):
        raise DataError(
            "landmarks are mirrored: left and right, of eyes and mouth, must be as they are seen in the image"
        )


def _checked_points(points: Points, name: str) -> npt.NDArray[np.complex128]:
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} landmarks are not numbers: {error}") from error
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 2:
        raise DataError(f"{name} landmarks must have shape (n, 2) with n >= 2, got {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} landmarks hold a coordinate that is not finite")
    return np.ascontiguousarray(array).view(np.complex128)[:, 0]
