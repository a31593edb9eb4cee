"""What belongs to a person but not to the head's surface: neck, clothes, ears, long hair, glasses."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.identity import Identity
from facejobs.data.synthetic.surface import HeadSurface
from facejobs.data.synthetic.view import Glasses, Light, View

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[Any]
Colour = npt.NDArray[np.float64]
_FRACTION = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """A square canvas: pixels a side, pixels in a head unit, and the camera position (x, y) at its centre."""

    pixels: int
    scale: float
    centre: tuple[float, float]

    def place(self, points: Points) -> npt.NDArray[np.float64]:
        """Camera positions (n, 2 or 3) to pixels (n, 2); (0, 0) is the centre of the top left pixel."""
        return (np.asarray(points, np.float64)[:, :2] - self.centre) * self.scale + (self.pixels - 1) / 2


class Canvas:
    """A picture under the brush, and where the brush has been."""

    def __init__(self, image: Image, frame: Frame) -> None:
        self.image = image
        self.coverage: Image = np.zeros(image.shape[:2], np.uint8)
        self.frame = frame

    def fill(self, points: Points, colour: Colour) -> None:
        """Fill a polygon of camera positions (n, 2 or 3) with an RGB colour 0..1."""
        pixels = np.round(self.frame.place(points) * (1 << _FRACTION)).astype(np.int32)
        cv2.fillPoly(self.image, [pixels], _to_bytes(colour), cv2.LINE_AA, _FRACTION)
        cv2.fillPoly(self.coverage, [pixels], 255, cv2.LINE_AA, _FRACTION)

    def stroke(self, points: Points, colour: Colour, thickness: float, closed: bool = False) -> None:
        """Draw a line of `thickness` head units through camera positions."""
        pixels = np.round(self.frame.place(points) * (1 << _FRACTION)).astype(np.int32)
        width = max(1, round(thickness * self.frame.scale))
        cv2.polylines(self.image, [pixels], closed, _to_bytes(colour), width, cv2.LINE_AA, _FRACTION)


def _to_bytes(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = (min(max(255.0 * float(channel), 0.0), 255.0) for channel in colour)
    return red, green, blue


def flat_light(light: Light, normal: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """RGB factors for a flat piece that faces `normal`."""
    facing = max(float(np.dot(normal, light.direction)), 0.0)
    colour = light.ambient * np.array(light.ambient_colour) + light.strength * facing * np.array(light.colour)
    return np.asarray(colour**0.8, dtype=np.float64)


def draw_behind_head(canvas: Canvas, identity: Identity, view: View, turn: Points) -> None:
    """Long hair, neck and clothes, in this order."""
    light = flat_light(view.light, (0.0, 0.2, 0.98))
    hair = np.array(identity.hair.colour) * light
    if identity.hair.style == "long":
        _draw_long_hair(canvas, turn, hair * 0.75)
    skin = np.array(identity.skin.colour) * light
    jaw = np.array([[-0.40, 0.45, -0.2], [0.40, 0.45, -0.2]]) @ turn.T
    width = 0.62 * identity.head.width
    base = np.array([[width, 1.45], [-width, 1.45]])
    canvas.fill(np.concatenate([jaw[:, :2], base]), skin * 0.62)
    side = -np.sign(view.light.direction[0]) or 1.0
    shade = np.array([[side * width, 1.45], [side * width * 0.3, 1.6]])
    canvas.fill(np.concatenate([jaw[[int(side > 0)], :2], shade]), skin * 0.5)
    turn_around = np.linspace(np.pi, 2 * np.pi, 24)
    shoulders = np.column_stack([1.35 * np.cos(turn_around), 2.15 + 0.85 * np.sin(turn_around)])
    around = np.linspace(0, np.pi, 16)
    neckline = np.column_stack([0.9 * width * np.cos(around), 1.26 + 0.4 * np.sin(around)])
    outline = np.concatenate([shoulders, [[1.45, 60.0], [-1.45, 60.0]]])
    canvas.fill(outline, np.array(view.clothes) * light)
    canvas.fill(neckline, skin * 0.62)


def _draw_long_hair(canvas: Canvas, turn: Points, colour: npt.NDArray[np.float64]) -> None:
    around = np.linspace(0, np.pi, 20)
    crown = np.column_stack([-0.84 * np.cos(around), 0.1 - 0.9 * np.sin(around), np.full(20, -0.35)]) @ turn.T
    top = crown[[0, -1]]
    ends = np.array([[0.93, 1.3], [0.8, 1.75], [-0.8, 1.75], [-0.93, 1.3]])
    canvas.fill(np.concatenate([crown[:, :2], ends]), colour)
    for share in np.linspace(0.04, 0.96, 14):
        start = top[0, :2] + share * (top[1, :2] - top[0, :2])
        end = np.array([-0.85 + share * 1.7, 1.7])
        canvas.stroke(np.array([start, end]), colour * (0.8 + 0.45 * (round(share * 97) % 3) / 2), 0.03)


def draw_ears(canvas: Canvas, identity: Identity, view: View, turn: Points, near: bool) -> None:
    """The ears: all of them before the head is drawn, those that face the viewer again after it (`near`)."""
    ears = identity.ears
    if identity.hair.style == "long":
        return
    turn_around = np.linspace(0, 2 * np.pi, 26)
    for side in (-1.0, 1.0):
        facing = float(turn[2, 0] * side)
        if near and facing < 0.16:
            continue
        out = 0.35 + 2.0 * ears.standing
        axis = np.array([side * np.sin(out), 0.0, -np.cos(out)])
        across = 0.5 * ears.size * (1 + np.cos(turn_around)) * (1 - 0.22 * np.sin(turn_around))
        attach = np.array([side * identity.head.width * 0.97, ears.level, -0.02])
        outline = attach + across[:, None] * axis + np.sin(turn_around)[:, None] * ears.size * np.array([0, 1.0, 0.0])
        seen = outline @ turn.T
        normal = turn @ np.array([side * np.cos(out) * 0.5, 0.0, 0.86])
        skin = np.array(identity.skin.colour) * flat_light(view.light, tuple(normal)) * [1.0, 0.93, 0.92]
        canvas.fill(seen, skin * 0.9)
        middle = seen.mean(axis=0)
        canvas.fill(middle + 0.62 * (seen - middle), skin * 0.66)
        canvas.stroke(middle + 0.8 * (seen[4:16] - middle), skin * 0.98, 0.03)


def draw_glasses(
    canvas: Canvas, identity: Identity, glasses: Glasses, surface: HeadSurface, view: View, turn: Points
) -> None:
    """Frames in front of the eyes: lenses with tint, rims, bridge and the temples that can be seen."""
    eyes = identity.eyes
    level = eyes.level + 0.01
    anchor = surface.depth_at(np.array([[0.0, level - 0.05], [0.3, level]], np.float32))
    front = float(anchor[:, 2].max()) + 0.04
    colour = np.array(glasses.colour) * flat_light(view.light, (0.0, 0.0, 1.0))
    half = max(glasses.width, 0.0)
    t = np.linspace(0, 2 * np.pi, 40)
    power = 2 / glasses.roundness
    shape = np.column_stack(
        [np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power, np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power]
    )
    centre = max(eyes.spacing, half + 0.03)
    for side in (-1.0, 1.0):
        x = side * centre + half * shape[:, 0]
        bow = front - 0.22 * np.clip(np.abs(x) - 0.1, 0, 1) ** 1.3
        rim = np.column_stack([x, level + 0.02 + glasses.height * shape[:, 1], bow]) @ turn.T
        _tint_lens(canvas, rim, colour, glasses.tint)
        canvas.stroke(rim, colour, glasses.rim, closed=True)
        if turn[2, 0] * side > -0.12:
            edge = front - 0.22 * (centre + half - 0.1) ** 1.3
            temple = np.array([[side * (centre + half), level, edge], [side * identity.head.width * 1.03, level, 0.05]])
            canvas.stroke(temple @ turn.T, colour * 0.8, glasses.rim)
    inner = centre - half
    arc = np.linspace(-1, 1, 9)
    bridge = np.column_stack([inner * arc, level - 0.02 - 0.02 * (1 - arc**2), np.full(9, front)]) @ turn.T
    canvas.stroke(bridge, colour, glasses.rim)


def _tint_lens(canvas: Canvas, rim: Points, colour: npt.NDArray[np.float64], tint: float) -> None:
    if tint < 0.02:
        return
    lens = Canvas(canvas.image.copy(), canvas.frame)
    lens.fill(rim, colour)
    cv2.addWeighted(lens.image, tint, canvas.image, 1 - tint, 0, dst=canvas.image)
