"""Backgrounds: out-of-focus rooms and streets made of gradients, soft shapes and noise."""

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.noise import smooth_noise

Image = npt.NDArray[np.uint8]


def draw_background(rng: np.random.Generator, width: int, height: int) -> Image:
    """A picture (height, width, 3) RGB with nobody in it. Drawn small and enlarged: it is out of focus."""
    rows, columns = max(height // 4, 8), max(width // 4, 8)
    base = rng.uniform(15, 225) + rng.normal(0, 22, 3)
    end = base + rng.normal(0, 45, 3)
    ramp = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to(base + ramp * (end - base), (rows, columns, 3)).astype(np.float32)
    texture = smooth_noise(rng, rows, columns, int(rng.integers(3, 14)), int(rng.integers(3, 14)))
    picture += texture[..., None] * rng.uniform(0, 18)
    image = np.ascontiguousarray(np.clip(picture, 0, 255), dtype=np.uint8)
    for _ in range(int(rng.integers(0, 9))):
        _draw_shape(image, rng)
    softened = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 3.0)))
    enlarged: Image = cv2.resize(softened, (width, height), interpolation=cv2.INTER_LINEAR)
    return enlarged


def _draw_shape(image: Image, rng: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    red, green, blue = np.clip(rng.uniform(10, 245) + rng.normal(0, 30, 3), 0, 255)
    colour = (float(red), float(green), float(blue))
    x, y = int(rng.integers(0, columns)), int(rng.integers(0, rows))
    across, down = int(rng.integers(3, columns // 2)), int(rng.integers(3, rows // 2))
    if rng.random() < 0.5:
        cv2.rectangle(image, (x - across // 2, y - down), (x + across // 2, y + down), colour, -1, cv2.LINE_AA)
    else:
        cv2.ellipse(image, (x, y), (across, down), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
