"""What differs from image to image of one person: pose, light, expression, glasses, camera."""

from dataclasses import dataclass

import numpy as np

from facejobs.data.synthetic.identity import Colour
from facejobs.data.synthetic.seeding import Stream, generator


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles in radians: yaw turns the nose to the right of the image, pitch down, roll clockwise."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp in the direction (x right, y down, z to the viewer), and light from everywhere."""

    direction: tuple[float, float, float]
    strength: float
    ambient: float
    colour: Colour
    ambient_colour: Colour


@dataclass(frozen=True, slots=True)
class Expression:
    """0 is neutral. `mouth_open`, `smile` and `teeth` go to 1; lids: 1 is wide open; gaze in eye widths."""

    mouth_open: float
    smile: float
    teeth: float
    lids: float
    brows: float
    frown: float
    gaze_x: float
    gaze_y: float


@dataclass(frozen=True, slots=True)
class Glasses:
    """Frames of the day, in units of half the head's height."""

    width: float
    height: float
    roundness: float
    rim: float
    colour: Colour
    tint: float


@dataclass(frozen=True, slots=True)
class Camera:
    """How the picture was taken and kept."""

    pixels: float
    exposure: float
    contrast: float
    saturation: float
    blur: float
    noise: float
    jpeg_quality: int


@dataclass(frozen=True, slots=True)
class View:
    """One picture of one person."""

    pose: Pose
    light: Light
    expression: Expression
    glasses: Glasses | None
    camera: Camera
    clothes: Colour
    hair_shift: float
    beard_growth: float


def draw_view(seed: int, identity: int, image: int) -> View:
    """Picture `image` of person `identity` in the world `seed`."""
    rng = generator(seed, Stream.VIEW, identity, image)
    red, green, blue = rng.uniform(0.08, 0.85, 3)
    return View(
        pose=_draw_pose(rng),
        light=_draw_light(rng),
        expression=_draw_expression(rng),
        glasses=_draw_glasses(rng) if rng.random() < 0.14 else None,
        camera=_draw_camera(rng),
        clothes=(float(red), float(green), float(blue)),
        hair_shift=float(rng.normal(0, 0.02)),
        beard_growth=float(rng.uniform(0.75, 1.15)),
    )


def _normal(rng: np.random.Generator, deviation: float, limit: float) -> float:
    return float(np.clip(rng.normal(0, deviation), -limit, limit))


def _draw_pose(rng: np.random.Generator) -> Pose:
    return Pose(yaw=_normal(rng, 0.28, 0.62), pitch=_normal(rng, 0.13, 0.3), roll=_normal(rng, 0.12, 0.4))


def _temperature(rng: np.random.Generator, deviation: float) -> Colour:
    """White balance from candle (negative) to shade, with a little green or magenta."""
    warmth, tint = rng.normal(0, deviation), rng.normal(0, deviation / 4)
    return float(np.exp(-warmth)), float(np.exp(tint)), float(np.exp(warmth))


def _draw_light(rng: np.random.Generator) -> Light:
    azimuth, height = _normal(rng, 0.75, 1.4), float(np.clip(rng.normal(0.45, 0.35), -0.3, 1.2))
    direction = (
        float(np.sin(azimuth) * np.cos(height)),
        float(-np.sin(height)),
        float(np.cos(azimuth) * np.cos(height)),
    )
    ambient = float(rng.uniform(0.25, 0.6))
    return Light(
        direction=direction,
        strength=float(rng.uniform(0.65, 1.05)) * (1.35 - ambient),
        ambient=ambient,
        colour=_temperature(rng, 0.09),
        ambient_colour=_temperature(rng, 0.09),
    )


def _draw_expression(rng: np.random.Generator) -> Expression:
    smile = float(np.clip(rng.normal(0.25, 0.4), -0.25, 1))
    blinks = rng.random() < 0.04
    return Expression(
        mouth_open=float(np.clip(rng.normal(-0.15, 0.4), 0, 1)),
        smile=smile,
        teeth=float(np.clip(rng.normal(smile, 0.3), 0, 1)),
        lids=0.12 if blinks else float(np.clip(rng.normal(0.85, 0.15), 0.45, 1.15)),
        brows=_normal(rng, 0.4, 1),
        frown=float(np.clip(rng.normal(-0.2, 0.4), 0, 1)),
        gaze_x=_normal(rng, 0.25, 0.6),
        gaze_y=_normal(rng, 0.12, 0.3),
    )


def _draw_glasses(rng: np.random.Generator) -> Glasses:
    shade = rng.uniform(0.03, 0.35)
    red, green, blue = shade * rng.uniform(0.7, 1.5, 3)
    return Glasses(
        width=float(rng.uniform(0.19, 0.23)),
        height=float(rng.uniform(0.12, 0.18)),
        roundness=float(rng.uniform(2.0, 5.0)),
        rim=float(rng.uniform(0.012, 0.032)),
        colour=(float(red), float(green), float(blue)),
        tint=float(rng.uniform(0.35, 0.7)) if rng.random() < 0.12 else float(rng.uniform(0, 0.08)),
    )


def _draw_camera(rng: np.random.Generator) -> Camera:
    return Camera(
        pixels=float(rng.uniform(48, 75)),
        exposure=float(np.exp(rng.normal(0, 0.16))),
        contrast=float(rng.uniform(0.82, 1.15)),
        saturation=float(rng.uniform(0.6, 1.25)),
        blur=float(max(0.0, rng.normal(0.3, 0.45))),
        noise=float(rng.uniform(0, 1) ** 2 * 9),
        jpeg_quality=int(rng.integers(55, 96)),
    )
