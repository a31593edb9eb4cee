"""Random streams that depend on what is drawn, never on the order of drawing."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """One independent stream for each thing drawn from the same seed and numbers."""

    IDENTITY = 1
    MARKS = 2
    VIEW = 3
    CAMERA = 4
    BACKGROUND = 5
    SCENE = 6
    PAIRS = 7
    NOISE = 8
    GALLERY = 9
    GROUP = 10


def generator(seed: int, stream: Stream, *numbers: int) -> np.random.Generator:
    """A generator fixed by the seed, the stream and the numbers (all at least 0)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(stream), *numbers])))
