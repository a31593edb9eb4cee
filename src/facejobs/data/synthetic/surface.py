"""The head as a star-shaped surface: one radius for each direction from its centre.

Directions are kept on a square grid by Lambert's azimuthal equal-area projection centred on the face. A pixel's depth
is found by fixed-point iteration on |p| = radius(direction of p), which converges in a few rounds for a head.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.hair import HairCap
from facejobs.data.synthetic.identity import HeadShape, Identity
from facejobs.data.synthetic.view import Pose

Field = npt.NDArray[np.float32]
GRID = 160
_COARSE_ROUNDS, _FINE_ROUNDS = 8, 3


def rotation(pose: Pose) -> Field:
    """The matrix (3, 3) from head to camera coordinates: yaw first, then pitch, then roll."""
    cy, sy = np.cos(pose.yaw), np.sin(pose.yaw)
    cp, sp = np.cos(pose.pitch), np.sin(pose.pitch)
    cr, sr = np.cos(pose.roll), np.sin(pose.roll)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(roll @ pitch @ yaw, dtype=np.float32)


def grid_directions() -> tuple[Field, Field, Field]:
    """Unit vectors (x, y, z) of the grid's nodes; outside the disc they stay those of its rim."""
    axis = np.linspace(-1, 1, GRID, dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    square = np.minimum(u * u + v * v, 0.9999)
    stretch = 2 * np.sqrt(1 - square)
    return u * stretch, v * stretch, 1 - 2 * square


def sample_grid(table: Field, x: Field, y: Field, z: Field) -> Field:
    """The table's value in the directions (x, y, z), unit vectors in head coordinates, bilinear."""
    scale = (GRID - 1) / 2 / np.sqrt(np.maximum(2 + 2 * z, 1e-3))
    values: Field = cv2.remap(
        table,
        x * scale + np.float32((GRID - 1) / 2),
        y * scale + np.float32((GRID - 1) / 2),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return values


class HeadSurface:
    """Radii of one person's head, bare and with hair, and of the jaw that drops."""

    def __init__(self, identity: Identity) -> None:
        x, y, z = grid_directions()
        half = GRID // 2
        left = _skull(identity.head, x[:, :half], y[:, :half], z[:, :half])
        bare = np.hstack([left, left[:, ::-1]])
        bare = bare + _features_relief(identity, bare * x, bare * y, z)
        self.hair = HairCap(identity, bare * x, bare * y, bare * z)
        self.bare: Field = bare.astype(np.float32)
        self.with_hair: Field = (bare + self.hair.thickness).astype(np.float32)
        self._jaw: Field = (_smoothstep((bare * y - 0.55) / 0.4) * (z > 0)).astype(np.float32)

    def radii(self, mouth_open: float) -> Field:
        """The grid of radii, hair included, with the jaw dropped."""
        return self.with_hair * (1 + np.float32(0.085 * mouth_open) * self._jaw)

    def depth_at(self, points: Field, mouth_open: float = 0.0) -> Field:
        """Put points (n, 2), as seen from the front, on the bare skin: (n, 3) in head coordinates."""
        x, y = np.ascontiguousarray(points[:, :1]), np.ascontiguousarray(points[:, 1:])
        radii = self.bare * (1 + np.float32(0.085 * mouth_open) * self._jaw)
        z, _ = solve_depth(radii, x, y, np.eye(3, dtype=np.float32))
        return np.concatenate([x, y, z], axis=1)


def solve_depth(radii: Field, x: Field, y: Field, turn: Field) -> tuple[Field, Field]:
    """Where rays along z at camera positions (x, y) meet the surface turned by `turn`.

    Returns the depth z (0 where the ray misses) and how far inside the outline the ray is (negative: it misses).
    """
    if min(x.shape) < 16:
        return _iterate(radii, x, y, turn, np.sqrt(np.maximum(1 - x * x - y * y, 0)), _COARSE_ROUNDS + _FINE_ROUNDS)
    coarse_x, coarse_y = x[::2, ::2], y[::2, ::2]
    start = np.sqrt(np.maximum(1 - coarse_x * coarse_x - coarse_y * coarse_y, 0))
    coarse, _ = _iterate(radii, coarse_x, coarse_y, turn, start, _COARSE_ROUNDS)
    z, inside = _iterate(radii, x, y, turn, cv2.resize(coarse, x.shape[::-1]), _FINE_ROUNDS)
    length = 1 / np.sqrt(np.maximum(x * x + y * y, 1e-6))
    rim = sample_grid(radii, *to_head(turn, x * length, y * length, np.zeros_like(x))) - 1 / length
    # Where hair ends abruptly a few rays at the outline do not settle; the rim and their neighbours fill the holes.
    return cv2.medianBlur(z, 3), cv2.medianBlur(np.maximum(inside, rim), 3)


def _iterate(radii: Field, x: Field, y: Field, turn: Field, z: Field, rounds: int) -> tuple[Field, Field]:
    square = x * x + y * y
    reach = z
    for _ in range(rounds):
        scale = 1 / np.sqrt(np.maximum(square + z * z, 1e-6))
        hx, hy, hz = to_head(turn, x * scale, y * scale, z * scale)
        reach = sample_grid(radii, hx, hy, hz)
        z = 0.45 * z + 0.55 * np.sqrt(np.maximum(reach * reach - square, 0))
    return z, reach - np.sqrt(square)


def to_head(turn: Field, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
    """Camera coordinates to head coordinates: the transpose of `turn` applied."""
    return (
        turn[0, 0] * x + turn[1, 0] * y + turn[2, 0] * z,
        turn[0, 1] * x + turn[1, 1] * y + turn[2, 1] * z,
        turn[0, 2] * x + turn[1, 2] * y + turn[2, 2] * z,
    )


def _smoothstep(t: npt.NDArray[Any]) -> npt.NDArray[Any]:
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _bump(x: Field, y: Field, cx: float, cy: float, wx: float, wy: float) -> Field:
    bump: Field = np.exp(-(((x - cx) / wx) ** 2) - ((y - cy) / wy) ** 2)
    return bump


def _skull(head: HeadShape, x: Field, y: Field, z: Field) -> Field:
    """A superellipsoid whose jaw narrows downwards; the taper depends on the radius, hence the rounds."""
    below = y > 0
    exponent = np.where(below, head.jaw_squareness, 2.2).astype(np.float32)
    vertical = np.abs(y) / np.where(below, head.height, head.height * 1.02).astype(np.float32)
    deep = np.abs(z) / np.where(z > 0, head.depth * 0.9, head.depth * 1.05).astype(np.float32)
    radius = np.ones_like(x)
    for _ in range(6):
        width = head.width * (1 - head.jaw_taper * _smoothstep((radius * y + 0.1) / 1.0))
        total = (radius * np.abs(x) / width) ** 2.25 + (radius * vertical) ** exponent + (radius * deep) ** 2.1
        radius = radius * (1 / np.maximum(total, 1e-3)) ** 0.4
    return radius


def _features_relief(identity: Identity, x: Field, y: Field, z: Field) -> Field:
    """What brows, eyes, nose, cheeks, lips and chin add to the radius, in front only."""
    head, eyes, mouth = identity.head, identity.eyes, identity.mouth
    relief = _nose_relief(identity, x, y)
    for side in (-1, 1):
        relief -= eyes.depth * _bump(x, y, side * eyes.spacing, eyes.level, 0.17, 0.1)
        relief += 0.022 * _bump(x, y, side * eyes.spacing, eyes.level, 0.09, 0.06)
        relief += head.brow_ridge * _bump(x, y, side * 0.26, eyes.level - 0.17, 0.24, 0.07)
        relief += head.cheekbones * _bump(x, y, side * 0.44, 0.2, 0.17, 0.14)
        relief += head.cheek_fullness * _bump(x, y, side * 0.42, 0.48, 0.2, 0.2)
    relief += 0.035 * _bump(x, y, 0, mouth.level, mouth.width, 0.1)
    relief -= 0.03 * _bump(x, y, 0, mouth.level + 0.14, 0.16, 0.05)
    relief += head.chin_length * _bump(x, y, 0, 0.86, head.chin_width, 0.13)
    return np.asarray(relief * _smoothstep(z / 0.35), dtype=np.float32)


def _nose_relief(identity: Identity, x: Field, y: Field) -> Field:
    nose = identity.nose
    root = identity.eyes.level + 0.02
    along = np.clip((y - root) / (nose.level - root), 0, 1)
    height = nose.bridge + (nose.length - nose.bridge) * along**1.4 + nose.hook * np.sin(np.pi * along)
    height = height * (1 - _smoothstep((y - nose.level - 0.01) / 0.085)) * _smoothstep((y - root + 0.2) / 0.2)
    half_width = 0.055 + (nose.tip - 0.055) * along
    relief = height * np.exp(-((np.abs(x) / half_width) ** 2.2))
    for side in (-1, 1):
        relief += 0.075 * _bump(x, y, side * nose.width * 0.72, nose.level + 0.025, 0.05, 0.05)
    return np.asarray(relief, dtype=np.float32)
