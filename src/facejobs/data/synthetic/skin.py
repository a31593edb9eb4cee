"""The painted skin: a flat picture of the face seen from the front, laid over the head's relief."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.identity import Identity, Mark
from facejobs.data.synthetic.noise import layered_noise

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

SCALE = 150.0
LEFT, TOP = -0.9, -0.9
WIDTH, HEIGHT = 270, 300
_FRACTION = 4


def to_texture(points: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Points (..., 2) in head units as fixed-point pixels of the painted skin, for OpenCV's `shift`."""
    pixels = (np.asarray(points, dtype=np.float64) - (LEFT, TOP)) * SCALE
    fixed: npt.NDArray[np.int32] = np.round(pixels * (1 << _FRACTION)).astype(np.int32)
    return fixed


def fill(picture: npt.NDArray[np.uint8], points: npt.NDArray[Any], colour: tuple[float, ...] | float) -> None:
    """Fill the polygon (n, 2), head units, anti-aliased."""
    cv2.fillPoly(picture, [to_texture(points)], colour, lineType=cv2.LINE_AA, shift=_FRACTION)


def stroke(picture: Image, points: npt.NDArray[Any], colour: tuple[float, ...] | float, thickness: float) -> None:
    """Draw the line through the points (n, 2); `thickness` is in head units."""
    pixels = max(1, round(thickness * SCALE))
    cv2.polylines(picture, [to_texture(points)], False, colour, pixels, lineType=cv2.LINE_AA, shift=_FRACTION)


def stroke_each(picture: Image, lines: npt.NDArray[Any], colour: float, thickness: float) -> None:
    """Draw separate lines (lines, points, 2) of one colour."""
    pixels = max(1, round(thickness * SCALE))
    cv2.polylines(picture, list(to_texture(lines)), False, colour, pixels, lineType=cv2.LINE_AA, shift=_FRACTION)


def soften(mask: Image, radius: float) -> Image:
    """Blur a mask by `radius` head units."""
    blurred: Image = cv2.GaussianBlur(mask, (0, 0), max(radius * SCALE, 0.3))
    return blurred


def tint(picture: Image, mask: npt.NDArray[Any], colour: tuple[float, float, float]) -> None:
    """Blend the colour (0..255) into the picture in place, by the weights 0..1 of the mask."""
    weight = np.asarray(mask, dtype=np.float32)
    paint = np.empty_like(picture)
    paint[:] = [min(max(channel, 0.0), 255.0) for channel in colour]
    picture[:] = cv2.blendLinear(paint, np.ascontiguousarray(picture), weight, 1 - weight)


def shade_of(colour: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    """The colour (0..1) darkened, in 0..255; shadows in skin stay warm."""
    red, green, blue = colour
    return 255 * red * factor**0.8, 255 * green * factor, 255 * blue * factor


def paint_skin(identity: Identity) -> Image:
    """Everything painted that no expression moves: blotches, flush, freckles, marks, folds, nostrils, beard."""
    rng = np.random.Generator(np.random.PCG64(identity.skin.texture_seed + 1))
    x, y = _coordinates()
    picture = _base(identity, rng, x, y)
    _paint_freckles(picture, identity, rng)
    for mark in identity.skin.marks:
        _paint_mark(picture, identity, mark)
    _paint_folds(picture, identity)
    _paint_nostrils(picture, identity)
    _paint_sockets(picture, identity, x, y)
    return picture


def beard_mask(identity: Identity) -> Field:
    """Where and how densely the beard grows, 0..1 on the painted skin."""
    x, y = _coordinates()
    if identity.beard == "none":
        return np.zeros_like(x)
    mouth = identity.mouth
    lip_top = mouth.level - mouth.upper
    rng = np.random.Generator(np.random.PCG64(identity.skin.texture_seed + 2))
    grain = np.clip(0.75 + 0.35 * layered_noise(rng, 300, 75, 2)[:HEIGHT, :WIDTH], 0.1, 1.2)
    between = (identity.nose.level + 0.07 + lip_top) / 2
    moustache = _band(np.abs(x), 0.0, mouth.width * 1.05, 0.05) * _band(y, between - 0.03, lip_top + 0.02, 0.03)
    chin = _band(np.abs(x), 0.0, 0.2, 0.07) * _band(y, mouth.level + mouth.lower + 0.05, 2.0, 0.04)
    jaw_line = 0.2 + 0.55 * np.exp(-((x / 0.42) ** 4))
    jaw = np.clip((y - jaw_line) / 0.12, 0, 1) * _band(y, -0.1, 3, 0.1)
    around_mouth = np.exp(-((x / (mouth.width * 0.95)) ** 6) - (((y - mouth.level) / 0.10) ** 4))
    full = np.maximum(np.maximum(jaw * (1 - around_mouth), moustache), chin)
    shape = {
        "stubble": 0.45 * full,
        "moustache": moustache,
        "goatee": np.maximum(moustache * 0.8, chin),
        "full": full,
    }[identity.beard]
    return np.asarray(np.clip(shape * grain * identity.beard_density * 1.25, 0, 0.95), dtype=np.float32)


def _coordinates() -> tuple[Field, Field]:
    xs = LEFT + np.arange(WIDTH, dtype=np.float32) / SCALE
    ys = TOP + np.arange(HEIGHT, dtype=np.float32) / SCALE
    x, y = np.meshgrid(xs, ys)
    return x.astype(np.float32), y.astype(np.float32)


def _band(value: Field, low: float, high: float, soft: float) -> Field:
    rising = np.clip((value - low) / soft + 0.5, 0, 1) if low > 0 else np.ones_like(value)
    return np.asarray(rising * np.clip((high - value) / soft + 0.5, 0, 1), dtype=np.float32)


def _base(identity: Identity, rng: np.random.Generator, x: Field, y: Field) -> Image:
    skin = identity.skin
    blotches = 1 + 0.025 * layered_noise(rng, 300, 7, 4)[:HEIGHT, :WIDTH]
    flush = np.zeros_like(x)
    for side in (-1, 1):
        flush += np.exp(-(((x - side * 0.4) / 0.2) ** 2) - ((y - 0.3) / 0.16) ** 2)
    flush += 0.8 * np.exp(-((x / 0.12) ** 2) - ((y - identity.nose.level) / 0.12) ** 2)
    reddening = (0.1, -0.75, -0.7)
    channels = [
        np.clip(255 * colour * blotches * (1 + 0.16 * skin.flush * weight * flush), 0, 255)
        for colour, weight in zip(skin.colour, reddening, strict=True)
    ]
    return np.asarray(cv2.merge(channels), dtype=np.uint8)


def _paint_freckles(picture: Image, identity: Identity, rng: np.random.Generator) -> None:
    count = int(140 * identity.skin.freckles)
    mask = np.zeros(picture.shape[:2], np.uint8)
    for _ in range(count):
        x = rng.normal(0, 0.33)
        y = rng.normal(0.2, 0.15)
        cv2.circle(mask, tuple(map(int, to_texture(np.array([[x, y]]))[0])), int(rng.uniform(14, 30)),
                   float(rng.uniform(60, 150)), -1, cv2.LINE_AA, _FRACTION)  # fmt: skip
    if count:
        tint(picture, soften(mask, 0.003) / 255.0, shade_of(identity.skin.colour, 0.5))


def _paint_mark(picture: Image, identity: Identity, mark: Mark) -> None:
    mask = np.zeros(picture.shape[:2], np.uint8)
    centre = np.array([mark.x, mark.y])
    if mark.length:
        along = np.linspace(-0.5, 0.5, 9)[:, None] * mark.length
        bend = 0.12 * mark.length * np.cos(np.linspace(-1.5, 1.5, 9))[:, None]
        direction = np.array([[np.cos(mark.angle), np.sin(mark.angle)]])
        normal = np.array([[-np.sin(mark.angle), np.cos(mark.angle)]])
        stroke(mask, centre + along * direction + bend * normal, 255, 0.016)
        red, green, blue = shade_of(identity.skin.colour, 0.72)
        tint(picture, soften(mask, 0.004) / 255.0 * 0.9, (min(red * 1.15, 255), green, blue))
        return
    turn = np.linspace(0, 2 * np.pi, 20)
    fill(mask, centre + mark.radius * np.column_stack([np.cos(turn), np.sin(turn)]), 255)
    tint(picture, soften(mask, 0.004) / 255.0 * mark.darkness * 1.1, shade_of(identity.skin.colour, 0.3))


def _paint_folds(picture: Image, identity: Identity) -> None:
    """Nose-to-mouth folds, forehead lines and bags under the eyes, by age."""
    age = identity.skin.age
    mask = np.zeros(picture.shape[:2], np.uint8)
    nose, mouth, eyes = identity.nose, identity.mouth, identity.eyes
    t = np.linspace(0, 1, 12)
    for side in (-1, 1):
        fold_x = nose.width * 1.05 + (mouth.width * 1.12 - nose.width * 1.05) * t**0.8
        fold_y = nose.level + 0.0 + (mouth.level + 0.02 - nose.level) * t
        stroke(mask, np.column_stack([side * fold_x, fold_y]), 60 + 110 * age, 0.012)
        bag_x = eyes.spacing + eyes.width * 0.85 * (2 * t - 1)
        bag_y = eyes.level + 0.085 + 0.035 * np.sin(np.pi * t)
        stroke(mask, np.column_stack([side * bag_x, bag_y]), 30 + 120 * age, 0.011)
    if age > 0.55:
        for height in (-0.36, -0.43, -0.5):
            xs = np.linspace(-0.3, 0.3, 12)
            stroke(mask, np.column_stack([xs, height + 0.015 * np.cos(xs * 9)]), 200 * (age - 0.45), 0.009)
    tint(picture, soften(mask, 0.008) / 255.0, shade_of(identity.skin.colour, 0.55))


def _paint_nostrils(picture: Image, identity: Identity) -> None:
    nose = identity.nose
    wings = np.zeros(picture.shape[:2], np.uint8)
    holes = np.zeros(picture.shape[:2], np.uint8)
    turn = np.linspace(0, 2 * np.pi, 24)
    for side in (-1, 1):
        arc = np.linspace(-1.2, 1.5, 12)
        wing = np.column_stack([nose.width * (0.72 + 0.34 * np.cos(arc)), nose.level + 0.02 + 0.06 * np.sin(arc)])
        stroke(wings, wing * [side, 1], 170, 0.014)
        hole = np.column_stack([np.cos(turn), 0.55 * np.sin(turn)]) * (0.03 + 0.022 * nose.nostrils)
        hole[:, 1] += 0.3 * hole[:, 0]
        fill(holes, (hole + np.array([nose.width * 0.52, nose.level + 0.062])) * [side, 1], 255)
    tint(picture, soften(wings, 0.008) / 255.0 * 0.5, shade_of(identity.skin.colour, 0.55))
    tint(picture, soften(holes, 0.007) / 255.0 * (0.5 + 0.4 * nose.nostrils), shade_of(identity.skin.colour, 0.2))


def _paint_sockets(picture: Image, identity: Identity, x: Field, y: Field) -> None:
    eyes = identity.eyes
    shadow = np.zeros_like(x)
    for side in (-1, 1):
        shadow += np.exp(-(((x - side * eyes.spacing * 0.93) / 0.15) ** 2) - ((y - eyes.level + 0.02) / 0.075) ** 2)
    tint(picture, np.clip(shadow, 0, 1) * (0.2 + 3.0 * eyes.depth), shade_of(identity.skin.colour, 0.6))
