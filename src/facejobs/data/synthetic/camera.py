"""What a camera does to a picture: sampling, exposure, colour, blur, noise."""

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.view import Camera

Image = npt.NDArray[np.uint8]

MIDDLE_GREY = 118
"""What contrast leaves as it is, of 255."""


def photograph(image: Image, camera: Camera, rng: np.random.Generator, pixels: int) -> Image:
    """Sample a square picture down to `pixels` a side and expose it; every step keeps RGB uint8."""
    shot = cv2.resize(image, (pixels, pixels), interpolation=cv2.INTER_AREA)
    if camera.blur > 0.25:
        shot = cv2.GaussianBlur(shot, (0, 0), camera.blur)
    return expose(shot, camera, rng)


def expose(image: Image, camera: Camera, rng: np.random.Generator) -> Image:
    """Exposure, contrast and saturation in one affine colour map, then noise."""
    grey = np.full((3, 3), 1 / 3)
    mixing = camera.exposure * camera.contrast * (camera.saturation * np.eye(3) + (1 - camera.saturation) * grey)
    offset = np.full((3, 1), MIDDLE_GREY * (1 - camera.contrast))
    shot = cv2.transform(image.astype(np.float32), np.hstack([mixing, offset]).astype(np.float32))
    if camera.noise > 0.5:
        shot += np.float32(camera.noise) * rng.standard_normal(shot.shape, dtype=np.float32)
    return np.asarray(np.clip(shot, 0, 255), dtype=np.uint8)
