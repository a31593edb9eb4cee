"""Hair on the head: where it grows, how thick it stands, and its strands."""

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.identity import Identity
from facejobs.data.synthetic.noise import smooth_noise

Field = npt.NDArray[np.float32]

_ANGLES = np.radians([0, 25, 45, 60, 72, 82, 100, 125, 180])
_LINES = {
    "bald": [-3.0, -3.0, -3.0, -3.0, -3.0, -3.0, -3.0, -3.0, -3.0],
    "buzz": [0.0, 0.0, 0.08, 0.30, 0.52, 0.72, 0.75, 1.1, 1.2],
    "short": [0.0, 0.0, 0.1, 0.32, 0.58, 0.78, 0.78, 1.1, 1.2],
    "fringe": [0.24, 0.23, 0.2, 0.33, 0.60, 0.80, 0.8, 1.1, 1.2],
    "parted": [0.03, 0.03, 0.1, 0.30, 0.58, 0.80, 0.8, 1.1, 1.2],
    "curly": [0.08, 0.08, 0.16, 0.38, 0.62, 0.85, 0.9, 1.2, 1.3],
    "long": [-0.02, 0.03, 0.2, 0.72, 1.2, 1.5, 1.7, 1.8, 1.8],
    "receding": [-0.1, -0.24, -0.1, 0.16, 0.50, 0.74, 0.75, 1.1, 1.2],
}
_VOLUMES = {
    "bald": 0.0, "buzz": 0.15, "short": 0.7, "fringe": 0.9, "parted": 1.0, "curly": 1.7, "long": 0.8, "receding": 0.35,
}  # fmt: skip


class HairCap:
    """On the grid of directions: coverage 0..1, thickness in head units, and tone around 1."""

    def __init__(self, identity: Identity, x: Field, y: Field, z: Field) -> None:
        hair = identity.hair
        rng = np.random.Generator(np.random.PCG64(identity.skin.texture_seed))
        size = len(x)
        around = np.arctan2(x, z)
        line = -hair.hairline + np.interp(np.abs(around), _ANGLES, _LINES[hair.style])
        if hair.style == "parted":
            swept = (x / 0.6 - hair.parting) * -np.sign(hair.parting)
            line += 0.26 * np.clip(swept, 0, 1) * np.exp(-((around / 1.0) ** 4)) - 0.06
        rough = smooth_noise(rng, size, size, 40, 40) if hair.style == "curly" else self._locks(rng, around, y, 48)
        edge = 0.07 if hair.style == "curly" else 0.03
        distance = line - y + edge * rough
        softness = 0.10 if hair.style in ("buzz", "receding") else 0.05
        under_chin = np.clip((0.85 - y) / 0.4, 0, 1)
        full = 0.82 if hair.style == "buzz" else 1.0
        self.coverage: Field = (full * np.clip(0.5 + distance / softness, 0, 1)).astype(np.float32)
        lumps = 1 + (0.3 if hair.style == "curly" else 0.1) * rough
        rise = np.clip(distance / 0.34 + 0.08, 0, 1)
        rise = rise * (2 - rise)
        thickness = (hair.volume * _VOLUMES[hair.style] * rise * under_chin * lumps).astype(np.float32)
        self.thickness: Field = cv2.GaussianBlur(thickness, (0, 0), 2.0)
        self.tone: Field = self._tone(rng, identity, around, y)

    @staticmethod
    def _locks(rng: np.random.Generator, around: Field, y: Field, count: int) -> Field:
        """Noise that runs down the head in `count` locks."""
        field = smooth_noise(rng, 64, 512, 4, count)
        columns = (around / np.pi + 1).astype(np.float32) * np.float32(255.5)
        rows = np.clip((y.astype(np.float32) + 1.2) * 26, 0, 63)
        locks: Field = cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return locks

    @classmethod
    def _tone(cls, rng: np.random.Generator, identity: Identity, around: Field, y: Field) -> Field:
        hair = identity.hair
        if hair.style in ("curly", "buzz"):
            size = len(y)
            strands = smooth_noise(rng, size, size, 60, 60) + 0.6 * smooth_noise(rng, size, size, 110, 110)
        else:
            strands = cls._locks(rng, around, y, 150) + 0.8 * cls._locks(rng, around, y, 60)
        return np.clip(1 + 0.22 * strands, 0.35, 1.8).astype(np.float32)
