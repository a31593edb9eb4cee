"""Draw one picture of one person: geometry at half resolution, paint and light at full resolution."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.features import landmark_points, paint_features
from facejobs.data.synthetic.identity import Identity
from facejobs.data.synthetic.skin import LEFT, SCALE, TOP, beard_mask, paint_skin, tint
from facejobs.data.synthetic.surface import HeadSurface, rotation, sample_grid, solve_depth, to_head
from facejobs.data.synthetic.surroundings import Canvas, Frame, draw_behind_head, draw_ears, draw_glasses
from facejobs.data.synthetic.view import Light, View

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
_SHADOW_STEPS = (0.05, 0.1, 0.16, 0.24)


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A picture (n, n, 3) RGB, where a person covers it (n, n), landmarks (5, 2) and box (x, y, w, h) in pixels."""

    image: Image
    coverage: Image
    landmarks: npt.NDArray[np.float64]
    box: tuple[float, float, float, float]


class Sitter:
    """A person ready to be drawn: what all pictures share is computed once."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.surface = HeadSurface(identity)
        self.skin = paint_skin(identity)
        self.beard = beard_mask(identity)

    def landmarks(self, view: View) -> Field:
        """The five landmarks (5, 3) in camera coordinates."""
        points = landmark_points(self.identity, view.expression).astype(np.float32)
        placed = self.surface.depth_at(points, view.expression.mouth_open)
        return np.asarray(placed @ rotation(view.pose).T, dtype=np.float32)

    def draw(self, view: View, background: Image, frame: Frame, landmarks: Field) -> DrawnFace:
        """Draw over `background` (n, n, 3), which is left as it is; n = frame.pixels, an even number.

        `landmarks` is what `self.landmarks(view)` gives, which the caller needs beforehand to choose the frame.
        """
        turn = rotation(view.pose)
        canvas = Canvas(background.copy(), frame)
        draw_behind_head(canvas, self.identity, view, turn)
        draw_ears(canvas, self.identity, view, turn, near=False)
        self._draw_head(canvas, view, turn)
        draw_ears(canvas, self.identity, view, turn, near=True)
        if view.glasses is not None:
            draw_glasses(canvas, self.identity, view.glasses, self.surface, view, turn)
        placed = frame.place(landmarks)
        return DrawnFace(canvas.image, canvas.coverage, placed, self._box(view, frame, turn, placed))

    def _draw_head(self, canvas: Canvas, view: View, turn: Field) -> None:
        frame = canvas.frame
        half = frame.pixels // 2
        steps = ((2 * np.arange(half) + 0.5) - (frame.pixels - 1) / 2) / frame.scale
        x, y = np.meshgrid((steps + frame.centre[0]).astype(np.float32), (steps + frame.centre[1]).astype(np.float32))
        z, inside = solve_depth(self.surface.radii(view.expression.mouth_open), x, y, turn)
        head = to_head(turn, x, y, z)
        length = 1 / np.sqrt(np.maximum(x * x + y * y + z * z, 1e-6))
        direction = [axis * length for axis in head]
        hair_cover = sample_grid(self.surface.hair.coverage, *direction)
        hair_tone = sample_grid(self.surface.hair.tone, *direction)
        diffuse, gloss, open_sky = _shade(z, 2 / frame.scale, view.light)
        full = (frame.pixels, frame.pixels)
        paint = paint_features(self._bearded(view), self.identity, view.expression)
        skin = cv2.remap(
            paint,
            cv2.resize((head[0] - np.float32(LEFT)) * np.float32(SCALE), full, interpolation=cv2.INTER_LINEAR),
            cv2.resize((head[1] - np.float32(TOP)) * np.float32(SCALE), full, interpolation=cv2.INTER_LINEAR),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        hair = np.minimum(hair_tone[..., None] * self._hair_colour(view), 255).astype(np.uint8)
        cover = cv2.resize(hair_cover, full)
        head_paint = cv2.blendLinear(cv2.resize(hair, full), skin, cover, 1 - cover)
        light = cv2.resize(_light_colours(diffuse, open_sky, view.light), full)
        shine = gloss * (1 - np.float32(0.4) * hair_cover)
        lit = cv2.multiply(head_paint, light, dtype=cv2.CV_8U)
        lit = cv2.add(lit, cv2.cvtColor(cv2.resize(shine, full).astype(np.uint8), cv2.COLOR_GRAY2RGB))
        alpha = np.clip(cv2.resize(inside, full) * np.float32(frame.scale) + np.float32(0.5), 0, 1)
        canvas.image = cv2.blendLinear(lit, canvas.image, alpha, 1 - alpha)
        np.maximum(canvas.coverage, (alpha * 255).astype(np.uint8), out=canvas.coverage)

    def _bearded(self, view: View) -> Image:
        if self.identity.beard == "none":
            return self.skin
        bearded = self.skin.copy()
        red, green, blue = self.identity.hair.colour
        tint(bearded, np.minimum(self.beard * view.beard_growth, 0.95), (230 * red, 230 * green, 230 * blue))
        return bearded

    def _hair_colour(self, view: View) -> Field:
        hair = self.identity.hair
        colour = np.array(hair.colour) + hair.grey * (np.array([0.55, 0.54, 0.53]) - np.array(hair.colour))
        return np.asarray(255 * np.clip(colour + view.hair_shift, 0.02, 1), dtype=np.float32)

    def _box(
        self, view: View, frame: Frame, turn: Field, landmarks: npt.NDArray[np.float64]
    ) -> tuple[float, float, float, float]:
        """Around the face from hairline to chin and from cheek to cheek, as it is turned."""
        radii = self.surface.bare
        t = np.linspace(0, 2 * np.pi, 48, dtype=np.float32)
        y = (0.2 - 0.82 * np.cos(t)).astype(np.float32)
        angle = np.sin(t) * np.float32(1.35)
        flat = np.sqrt(np.maximum(1 - np.minimum(np.abs(y), 0.98) ** 2, 0.02))
        direction = np.stack([np.sin(angle) * flat, y, np.cos(angle) * flat])
        direction /= np.linalg.norm(direction, axis=0)
        reach = sample_grid(radii, *(np.ascontiguousarray(axis[:, None]) for axis in direction))[:, 0]
        chin = 1 + 0.085 * view.expression.mouth_open * np.clip((y - 0.55) / 0.4, 0, 1)
        contour = frame.place((direction * reach * chin).T @ turn.T)
        low = np.minimum(contour.min(axis=0), landmarks.min(axis=0))
        high = np.maximum(contour.max(axis=0), landmarks.max(axis=0))
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def _shade(z: Field, step: float, light: Light) -> tuple[Field, Field, Field]:
    """From depths a pixel `step` apart: direct light, gloss (0..255 to add) and openness to light from all sides."""
    smooth = cv2.GaussianBlur(z, (0, 0), 1.0)
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / (8 * step))
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / (8 * step))
    norm = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lx, ly, lz = light.direction
    facing = (lz - lx * slope_x - ly * slope_y) * norm
    diffuse = np.clip((facing + 0.15) / 1.15, 0, 1) * _lit(smooth, step, light)
    hx, hy, hz = np.array([lx, ly, lz + 1]) / np.linalg.norm([lx, ly, lz + 1])
    mirror = np.clip((hz - hx * slope_x - hy * slope_y) * norm, 0, 1)
    gloss = np.float32(26 * light.strength) * mirror**18 * (diffuse > 0.05)
    hollow = cv2.GaussianBlur(z, (0, 0), 0.09 / step) - z
    open_sky = np.clip(1 - 3.5 * np.clip(hollow, 0, 0.12), 0.5, 1) * np.clip(0.65 + 0.35 * norm * 1.3, 0, 1)
    return diffuse.astype(np.float32), gloss.astype(np.float32), open_sky.astype(np.float32)


def _lit(z: Field, step: float, light: Light) -> Field:
    """1 where the lamp is seen, towards 0 where the surface itself stands in between."""
    lx, ly, lz = light.direction
    blocked = np.zeros_like(z)
    for distance in _SHADOW_STEPS:
        shift = np.array([[1, 0, lx * distance / step], [0, 1, ly * distance / step]], np.float32)
        towards = cv2.warpAffine(
            z, shift, z.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        np.maximum(blocked, towards - z - np.float32(lz * distance + 0.004), out=blocked)
    shadow: Field = cv2.GaussianBlur(np.clip(blocked / 0.03, 0, 1), (0, 0), 1.5)
    return 1 - np.float32(0.75) * shadow


def _light_colours(diffuse: Field, open_sky: Field, light: Light) -> Field:
    """RGB factors (rows, columns, 3); the exponent stands for the tone curve of a camera."""
    ambient = (light.ambient * np.array(light.ambient_colour)).astype(np.float32)
    direct = (light.strength * np.array(light.colour)).astype(np.float32)
    total = open_sky[..., None] * ambient + diffuse[..., None] * direct
    return np.asarray(cv2.pow(total, 0.8), dtype=np.float32)
