"""The parameters that make one synthetic person: everything that stays the same from image to image.

Lengths are in units of half the head's height; x points right in the image, y down, z towards the viewer.
Colours are RGB from 0 to 1. Skin and hair colours come from ranges shared by all, so that colour tells few apart.
"""

from dataclasses import dataclass

import numpy as np

from facejobs.data.synthetic.seeding import Stream, generator

Colour = tuple[float, float, float]

_SKIN_TONES: tuple[Colour, ...] = ((0.90, 0.74, 0.65), (0.84, 0.66, 0.54), (0.74, 0.54, 0.41), (0.62, 0.43, 0.32))
_HAIR_TONES: tuple[Colour, ...] = ((0.09, 0.07, 0.06), (0.20, 0.13, 0.09), (0.33, 0.22, 0.13), (0.52, 0.38, 0.23))
_IRIS_TONES: tuple[Colour, ...] = ((0.20, 0.12, 0.07), (0.36, 0.24, 0.12), (0.36, 0.40, 0.24), (0.33, 0.46, 0.58))
HAIR_STYLES = ("bald", "buzz", "short", "fringe", "parted", "curly", "long", "receding")
_HAIR_STYLE_ODDS = (0.06, 0.12, 0.2, 0.14, 0.16, 0.12, 0.12, 0.08)
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
_BEARD_ODDS = (0.66, 0.12, 0.07, 0.07, 0.08)


@dataclass(frozen=True, slots=True)
class HeadShape:
    """Half axes of the skull and how the lower face leaves them."""

    width: float
    height: float
    depth: float
    jaw_taper: float
    jaw_squareness: float
    chin_length: float
    chin_width: float
    cheekbones: float
    brow_ridge: float
    cheek_fullness: float


@dataclass(frozen=True, slots=True)
class Eyes:
    """Half the distance of the centres, and the opening of one eye as seen from the front."""

    spacing: float
    level: float
    width: float
    opening: float
    tilt: float
    roundness: float
    crease: float
    depth: float
    iris: float
    iris_colour: Colour
    lashes: float


@dataclass(frozen=True, slots=True)
class Brows:
    """Height above the eyes, and the form of a brow."""

    height: float
    length: float
    thickness: float
    arch: float
    tilt: float
    gap: float
    density: float


@dataclass(frozen=True, slots=True)
class Nose:
    """`level` is the y of the tip."""

    level: float
    length: float
    width: float
    bridge: float
    tip: float
    nostrils: float
    hook: float


@dataclass(frozen=True, slots=True)
class Mouth:
    """`level` is the y of the line between the lips; `width` half its length."""

    level: float
    width: float
    upper: float
    lower: float
    bow: float
    corners: float
    redness: float


@dataclass(frozen=True, slots=True)
class Hair:
    """Style, hairline and volume; `parting` is -1 (left) to 1 (right)."""

    style: str
    colour: Colour
    hairline: float
    volume: float
    parting: float
    grey: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A mole, or a scar if `length` is over 0."""

    x: float
    y: float
    radius: float
    darkness: float
    length: float
    angle: float


@dataclass(frozen=True, slots=True)
class Skin:
    """Base colour and what is written in it."""

    colour: Colour
    flush: float
    freckles: float
    age: float
    marks: tuple[Mark, ...]
    texture_seed: int


@dataclass(frozen=True, slots=True)
class Ears:
    """Half height, how far they stand off, and their y."""

    size: float
    standing: float
    level: float


@dataclass(frozen=True, slots=True)
class Identity:
    """One person of the synthetic world."""

    number: int
    head: HeadShape
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    skin: Skin
    ears: Ears
    beard: str
    beard_density: float


def person_name(number: int) -> str:
    """The folder name of a person, synthetic_0001 for number 0."""
    return f"synthetic_{number + 1:04d}"


def draw_identity(seed: int, number: int) -> Identity:
    """Person `number` (from 0) of the world `seed`."""
    rng = generator(seed, Stream.IDENTITY, number)
    eyes = _draw_eyes(rng)
    nose = _draw_nose(rng)
    mouth = _draw_mouth(rng, nose)
    return Identity(
        number=number,
        head=_draw_head(rng),
        eyes=eyes,
        brows=_draw_brows(rng),
        nose=nose,
        mouth=mouth,
        hair=_draw_hair(rng),
        skin=_draw_skin(rng, generator(seed, Stream.MARKS, number)),
        ears=Ears(size=_spread(rng, 0.22, 0.03), standing=_spread(rng, 0.07, 0.03), level=_spread(rng, 0.14, 0.03)),
        beard=str(rng.choice(BEARDS, p=_BEARD_ODDS)),
        beard_density=float(rng.uniform(0.35, 0.8)),
    )


def _spread(rng: np.random.Generator, middle: float, deviation: float) -> float:
    """A normal draw cut at two deviations: distinct people, nobody monstrous."""
    return middle + deviation * float(np.clip(rng.standard_normal(), -2.0, 2.0))


def _blend(rng: np.random.Generator, tones: tuple[Colour, ...]) -> Colour:
    """A colour anywhere on the line through the tones."""
    place = float(rng.uniform(0, len(tones) - 1))
    low = min(int(place), len(tones) - 2)
    mixed = np.array(tones[low]) + (place - low) * (np.array(tones[low + 1]) - np.array(tones[low]))
    red, green, blue = mixed * rng.uniform(0.96, 1.04, 3)
    return float(red), float(green), float(blue)


def _draw_head(rng: np.random.Generator) -> HeadShape:
    return HeadShape(
        width=_spread(rng, 0.735, 0.04),
        height=_spread(rng, 1.0, 0.03),
        depth=_spread(rng, 0.92, 0.03),
        jaw_taper=_spread(rng, 0.36, 0.09),
        jaw_squareness=_spread(rng, 3.3, 0.45),
        chin_length=_spread(rng, 0.05, 0.035),
        chin_width=_spread(rng, 0.24, 0.05),
        cheekbones=_spread(rng, 0.03, 0.015),
        brow_ridge=_spread(rng, 0.03, 0.015),
        cheek_fullness=_spread(rng, 0.0, 0.03),
    )


def _draw_eyes(rng: np.random.Generator) -> Eyes:
    return Eyes(
        spacing=_spread(rng, 0.285, 0.024),
        level=_spread(rng, -0.02, 0.015),
        width=_spread(rng, 0.125, 0.013),
        opening=_spread(rng, 0.058, 0.011),
        tilt=_spread(rng, 0.07, 0.08),
        roundness=_spread(rng, 0.55, 0.12),
        crease=_spread(rng, 0.042, 0.014),
        depth=_spread(rng, 0.045, 0.018),
        iris=_spread(rng, 0.057, 0.004),
        iris_colour=_blend(rng, _IRIS_TONES),
        lashes=_spread(rng, 0.55, 0.2),
    )


def _draw_brows(rng: np.random.Generator) -> Brows:
    return Brows(
        height=_spread(rng, 0.175, 0.022),
        length=_spread(rng, 0.33, 0.035),
        thickness=_spread(rng, 0.042, 0.014),
        arch=_spread(rng, 0.045, 0.022),
        tilt=_spread(rng, 0.05, 0.09),
        gap=_spread(rng, 0.12, 0.026),
        density=_spread(rng, 0.7, 0.14),
    )


def _draw_nose(rng: np.random.Generator) -> Nose:
    return Nose(
        level=_spread(rng, 0.36, 0.028),
        length=_spread(rng, 0.2, 0.035),
        width=_spread(rng, 0.135, 0.022),
        bridge=_spread(rng, 0.07, 0.022),
        tip=_spread(rng, 0.075, 0.014),
        nostrils=_spread(rng, 0.5, 0.17),
        hook=_spread(rng, 0.0, 0.025),
    )


def _draw_mouth(rng: np.random.Generator, nose: Nose) -> Mouth:
    return Mouth(
        level=nose.level + _spread(rng, 0.265, 0.026),
        width=_spread(rng, 0.225, 0.027),
        upper=_spread(rng, 0.047, 0.014),
        lower=_spread(rng, 0.062, 0.016),
        bow=_spread(rng, 0.4, 0.22),
        corners=_spread(rng, 0.0, 0.016),
        redness=_spread(rng, 0.5, 0.18),
    )


def _draw_hair(rng: np.random.Generator) -> Hair:
    return Hair(
        style=str(rng.choice(HAIR_STYLES, p=_HAIR_STYLE_ODDS)),
        colour=_blend(rng, _HAIR_TONES),
        hairline=_spread(rng, 0.62, 0.045),
        volume=_spread(rng, 0.13, 0.04),
        parting=float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.25, 0.7)),
        grey=float(max(0.0, rng.uniform(-0.6, 0.5))),
    )


def _draw_skin(rng: np.random.Generator, marks_rng: np.random.Generator) -> Skin:
    return Skin(
        colour=_blend(rng, _SKIN_TONES),
        flush=_spread(rng, 0.5, 0.2),
        freckles=float(max(0.0, rng.uniform(-1.6, 1.0))),
        age=float(rng.uniform(0, 1)),
        marks=tuple(_draw_mark(marks_rng) for _ in range(int(marks_rng.integers(0, 4)))),
        texture_seed=int(marks_rng.integers(0, 2**31)),
    )


def _draw_mark(rng: np.random.Generator) -> Mark:
    is_scar = rng.random() < 0.2
    return Mark(
        x=float(rng.uniform(-0.5, 0.5)),
        y=float(rng.uniform(-0.4, 0.8)),
        radius=float(rng.uniform(0.011, 0.024)),
        darkness=float(rng.uniform(0.45, 0.8)),
        length=float(rng.uniform(0.1, 0.22)) if is_scar else 0.0,
        angle=float(rng.uniform(0, np.pi)),
    )
