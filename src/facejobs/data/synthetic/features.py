"""What expressions move: eyes, brows and mouth, painted on a copy of the skin for each picture."""

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.identity import Identity
from facejobs.data.synthetic.skin import LEFT, SCALE, TOP, fill, shade_of, soften, stroke, stroke_each, tint
from facejobs.data.synthetic.view import Expression

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

_TURN = np.linspace(0, 2 * np.pi, 28)
_CIRCLE = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
_ACROSS_EYE = np.linspace(-1, 1, 21)
_ALONG_BROW = np.linspace(0, 1, 16)
_ACROSS_MOUTH = np.linspace(-1, 1, 33)
_BROW_TAPER = np.interp(_ALONG_BROW, [0, 0.12, 0.45, 1], [0.6, 1.0, 1.0, 0.2])
_BROW_ARCH = np.sin(np.pi * np.minimum(_ALONG_BROW * 0.85, 1))


def landmark_points(identity: Identity, expression: Expression) -> Points:
    """The five landmarks as seen from the front, (5, 2) in head units: eyes, nose tip, mouth corners."""
    eyes, nose = identity.eyes, identity.nose
    width, corner = _mouth_corner(identity, expression)
    return np.array(
        [[-eyes.spacing, eyes.level], [eyes.spacing, eyes.level], [0.0, nose.level], [-width, corner], [width, corner]]
    )


def paint_features(skin: Image, identity: Identity, expression: Expression) -> Image:
    """A copy of the painted skin with eyes, brows and mouth in this expression."""
    picture = skin.copy()
    for side in (-1.0, 1.0):
        _paint_eye(picture, identity, expression, side)
        _paint_brow(picture, identity, expression, side)
    _paint_mouth(picture, identity, expression)
    return picture


def _region(picture: Image, x: float, y: float, half_width: float, half_height: float) -> tuple[Image, Points]:
    """A view of the picture around a point, and the head coordinates (2,) of its top left pixel."""
    left = max(int((x - half_width - LEFT) * SCALE), 0)
    top = max(int((y - half_height - TOP) * SCALE), 0)
    patch = picture[top : top + int(2 * half_height * SCALE), left : left + int(2 * half_width * SCALE)]
    return patch, np.array([left / SCALE, top / SCALE])


def _eye_outline(identity: Identity, lids: float, side: float) -> tuple[Points, Points]:
    """Upper and lower lid from the inner to the outer corner, relative to the eye's centre."""
    eyes = identity.eyes
    s = _ACROSS_EYE
    arch = np.maximum(1 - np.abs(s + 0.12 * (1 - s * s)) ** 2.3, 0) ** eyes.roundness
    upper = -eyes.opening * 1.15 * lids * arch
    lower = eyes.opening * 0.62 * (0.75 + 0.25 * lids) * np.maximum(1 - (s - 0.1 * (1 - s * s)) ** 2, 0) ** 0.75
    slope = -eyes.tilt * eyes.width * s
    x = side * s * eyes.width
    return np.column_stack([x, upper + slope]), np.column_stack([x, lower + slope])


def _paint_eye(picture: Image, identity: Identity, expression: Expression, side: float) -> None:
    eyes, skin = identity.eyes, identity.skin.colour
    patch, origin = _region(picture, side * eyes.spacing, eyes.level, eyes.width * 1.35, 0.15)
    centre = np.array([side * eyes.spacing, eyes.level]) - origin
    upper, lower = _eye_outline(identity, expression.lids, side)
    opening = np.zeros(patch.shape[:2], np.uint8)
    fill(opening, np.concatenate([upper, lower[::-1]]) + centre, 255)
    ball = _eyeball(opening.shape, identity, expression, centre)
    shadow = soften(opening, 0.02)[..., None] / 255.0
    ball = ball * (0.45 + 0.55 * shadow)
    weight = opening[..., None] / np.float32(255)
    patch[:] = np.clip(patch + weight * (ball - patch), 0, 255).astype(np.uint8)
    lines = np.zeros(patch.shape[:2], np.uint8)
    crease = upper * [1.02, 0.8] + centre + [0, -eyes.crease * (0.5 + 0.5 * expression.lids)]
    stroke(lines, crease[2:-1], 190, 0.013)
    stroke(lines, lower[3:] + centre + [0, 0.006], 120, 0.01)
    tint(patch, soften(lines, 0.005) / 255.0, shade_of(skin, 0.5))
    lashes = np.zeros(patch.shape[:2], np.uint8)
    stroke(lashes, upper + centre, 255, 0.010 + 0.014 * eyes.lashes)
    stroke(lashes, upper[10:] * [1.04, 1.03] + centre, 255, 0.010 + 0.014 * eyes.lashes)
    tint(patch, soften(lashes, 0.0035) / 255.0 * 0.92, shade_of(identity.hair.colour, 0.45))


def _eyeball(shape: tuple[int, ...], identity: Identity, expression: Expression, centre: Points) -> Points:
    eyes = identity.eyes
    ball = np.full((*shape, 3), (226, 220, 214), np.uint8)
    gaze = np.array([expression.gaze_x * eyes.width * 0.6, expression.gaze_y * eyes.opening])
    place = centre + gaze + [0, -0.006]
    circle = _CIRCLE
    red, green, blue = (255 * channel for channel in eyes.iris_colour)
    fill(ball, place + circle * eyes.iris, (red * 0.45, green * 0.45, blue * 0.45))
    fill(ball, place + circle * eyes.iris * 0.84, (red, green, blue))
    fill(ball, place + circle * eyes.iris * 0.42, (12, 10, 10))
    fill(ball, place + circle * 0.012 + [-0.016, -0.018], (245, 245, 245))
    return ball.astype(np.float64)


def _paint_brow(picture: Image, identity: Identity, expression: Expression, side: float) -> None:
    brows, eyes = identity.brows, identity.eyes
    t = _ALONG_BROW
    lift = -0.045 * expression.brows
    x = brows.gap - 0.03 * expression.frown + brows.length * t
    y = eyes.level - brows.height + lift - brows.tilt * brows.length * (t - 0.4)
    y = y - brows.arch * _BROW_ARCH + 0.05 * expression.frown * (1 - t) ** 2
    thickness = brows.thickness * _BROW_TAPER
    outline = np.concatenate([np.column_stack([x, y - thickness]), np.column_stack([x, y + thickness])[::-1]])
    patch, origin = _region(picture, side * (brows.gap + brows.length / 2), eyes.level - brows.height, 0.27, 0.22)
    mask = np.zeros(patch.shape[:2], np.uint8)
    fill(mask, outline * [side, 1] - origin, 235)
    _comb(mask, x, y, thickness, side, origin)
    tint(patch, soften(mask, 0.006) / 255.0 * brows.density, shade_of(identity.hair.colour, 0.6))


def _comb(mask: Image, x: Points, y: Points, thickness: Points, side: float, origin: Points) -> None:
    """Hairs that lean outwards, so that a brow is not a flat patch."""
    lean = np.linspace(0.75, 2.5, len(x)) * thickness
    roots = np.column_stack([x, y + 0.9 * thickness])
    tips = roots + np.column_stack([lean, -2.3 * thickness])
    hairs = np.stack([roots, tips], axis=1) * [side, 1] - origin
    stroke_each(mask, hairs[1::2], 150, 0.006)
    stroke_each(mask, hairs[::2], 255, 0.006)


def _mouth_corner(identity: Identity, expression: Expression) -> tuple[float, float]:
    mouth = identity.mouth
    width = mouth.width * (1 + 0.2 * expression.smile - 0.1 * expression.mouth_open)
    return width, mouth.level - 0.012 - mouth.corners - 0.05 * expression.smile + 0.03 * expression.mouth_open


def _paint_mouth(picture: Image, identity: Identity, expression: Expression) -> None:
    mouth = identity.mouth
    width, corner = _mouth_corner(identity, expression)
    patch, origin = _region(picture, 0.0, mouth.level + 0.05, 0.4, 0.26)
    s = _ACROSS_MOUTH
    hill = 1 - s * s
    x = width * s
    parting = mouth.level + (corner - mouth.level) * s * s
    gap = 0.17 * expression.mouth_open * hill**0.8
    thin = 1 - 0.25 * max(expression.smile, 0)
    dip = mouth.bow * np.exp(-((s / 0.16) ** 2))
    top = parting - 0.02 * expression.mouth_open * hill - mouth.upper * thin * hill**0.75 * (1.25 - 0.8 * dip)
    inner_top = parting - 0.02 * expression.mouth_open * hill + 0.004 * np.cos(s * 7) * hill
    inner_bottom = inner_top + gap
    bottom = inner_bottom + mouth.lower * thin * 1.15 * hill**0.7
    red, green, blue = identity.skin.colour
    depth = 0.55 + 0.35 * mouth.redness
    lips = (255 * red * 0.86, 255 * green * (1 - 0.45 * depth), 255 * blue * (1 - 0.38 * depth))
    mask = np.zeros(patch.shape[:2], np.uint8)
    fill(mask, np.column_stack([np.r_[x, x[::-1]], np.r_[top, inner_top[::-1]]]) - origin, 255)
    tint(patch, soften(mask, 0.007) / 255.0 * 0.85, tuple(0.88 * channel for channel in lips))  # type: ignore[arg-type]
    mask[:] = 0
    fill(mask, np.column_stack([np.r_[x, x[::-1]], np.r_[inner_bottom, bottom[::-1]]]) - origin, 255)
    tint(patch, soften(mask, 0.008) / 255.0 * 0.9, lips)
    if expression.mouth_open > 0.03:
        _paint_inside(patch, x, inner_top, inner_bottom, gap, expression, origin)
    line = np.zeros(patch.shape[:2], np.uint8)
    stroke(line, np.column_stack([x, inner_top]) - origin, 220, 0.010)
    shadow = np.column_stack([x * 0.55, bottom + 0.045]) - origin
    stroke(line, shadow, 50, 0.04)
    tint(patch, soften(line, 0.007) / 255.0 * 0.85, shade_of(identity.skin.colour, 0.35))


def _paint_inside(
    patch: Image, x: Points, top: Points, bottom: Points, gap: Points, expression: Expression, origin: Points
) -> None:
    outline = np.column_stack([np.r_[x, x[::-1]], np.r_[top, bottom[::-1]]]) - origin
    fill(patch, outline, (62, 26, 26))
    teeth = np.minimum(gap, 0.075 * expression.teeth)
    if expression.teeth > 0.1:
        fill(patch, np.column_stack([np.r_[x, x[::-1]], np.r_[top, (top + teeth)[::-1]]]) - origin, (222, 214, 200))
    cv2.GaussianBlur(patch, (3, 3), 0.6, dst=patch)
