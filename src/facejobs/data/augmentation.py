"""Random mirror, shift and colour jitter of aligned faces.

What happens to the images of a step depends on the seed and the step alone. Mirror and shift move pixels and are done
where images are decoded; colour jitter is one gain and one bias a channel and is left to the device, where it costs
nothing beside the normalisation it is joined with.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.decode import ImageArray
from facejobs.data.epoch_order import AUGMENTATION_STREAM, random_stream

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AugmentationDraws:
    """What to do to each of N images."""

    mirror: npt.NDArray[np.bool_]
    shift: npt.NDArray[np.int64]
    """(N, 2): pixels down and pixels to the right, negative for up and left; applied after the mirror."""
    gain: FloatArray
    """(N, 3): applied as (pixel - 127.5) / 128 * gain + bias, channels in RGB order."""
    bias: FloatArray


@dataclass(frozen=True)
class ColourJitter:
    """How strongly colours are varied; 0 turns a variation off. Applied as (pixel - 127.5) / 128 * gain + bias."""

    brightness: float = 0.1
    """Add up to ± this, in units of 128 grey levels, the same to all channels."""
    contrast: float = 0.2
    """Scale the distance to mid-grey by 1 ± up to this, the same for all channels."""
    colour: float = 0.05
    """Scale the distance to mid-grey by 1 ± up to this, on its own in every channel."""

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "colour"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")

    def gain_and_bias(self, uniform: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return gain and bias (N, 3) of N images, channels in RGB order, from `uniform` (N, 5) numbers in 0..1."""
        centred = 2 * uniform - 1
        gain = (1 + self.contrast * centred[:, 1:2]) * (1 + self.colour * centred[:, 2:5])
        bias = np.repeat(self.brightness * centred[:, 0:1], 3, axis=1)
        return gain.astype(np.float32), bias.astype(np.float32)


@dataclass(frozen=True)
class Augmentation(ColourJitter):
    """How strongly images are varied; 0 (False for `mirror`) turns a variation off."""

    mirror: bool = True
    """Mirror every other image, on average."""
    shift: int = 6
    """Move by -shift..shift pixels, drawn evenly along each axis; what comes in at the edge is 0 (black)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shift < 0:
            raise ValueError(f"shift is {self.shift}; it is a number of pixels, 0 or more")

    def draw(self, seed: int, step: int, count: int) -> AugmentationDraws:
        """Return the draws for the `count` images of global step `step`.

        Every variation has its own columns of one table of random numbers, so that turning one off or changing its
        strength leaves the draws of the others as they were.
        """
        uniform = random_stream(seed, AUGMENTATION_STREAM, step).random((count, 8), np.float32)
        span = 2 * self.shift + 1
        # A float32 below 1 times the span can round up to the span itself.
        shift = np.minimum((uniform[:, 1:3] * span).astype(np.int64), span - 1) - self.shift
        mirror = (uniform[:, 0] < 0.5) & self.mirror
        return AugmentationDraws(mirror, shift, *self.gain_and_bias(uniform[:, 3:]))


def place(image: ImageArray, mirror: bool, down: int, right: int, destination: ImageArray) -> None:
    """Write `image` (H, W, 3), mirrored if asked and then shifted, to `destination` of the same shape.

    The shifts are in pixels and smaller than the image; pixels that nothing is moved to become 0.
    """
    if not (down or right):
        if mirror:
            cv2.flip(image, 1, destination)
        else:
            destination[:] = image
        return
    if mirror:
        image = cv2.flip(image, 1)
    height, width, _ = image.shape
    top, bottom, left, end = max(down, 0), max(-down, 0), max(right, 0), max(-right, 0)
    kept = image[bottom : height - top, end : width - left]
    # One call that writes every byte of the destination once: in NumPy the narrow black strips cost as much again as
    # the picture, and so does reversing pixels of three bytes.
    cv2.copyMakeBorder(kept, top, bottom, left, end, cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED, destination)
