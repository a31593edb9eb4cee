"""Whole photographs with several people in them, for detectors: true boxes and landmarks of every face."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from facejobs.data.synthetic.background import draw_background
from facejobs.data.synthetic.camera import MIDDLE_GREY, expose
from facejobs.data.synthetic.identity import draw_identity
from facejobs.data.synthetic.render import Sitter
from facejobs.data.synthetic.seeding import Stream, generator
from facejobs.data.synthetic.surface import rotation
from facejobs.data.synthetic.surroundings import Canvas, Frame, draw_behind_head
from facejobs.data.synthetic.view import Camera, View, draw_view

Image = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

SCENE_WIDTH, SCENE_HEIGHT = 640, 480
_MOST_FACES = 6
_ATTEMPTS = 12
_WINDOW = 3.4
_LOOK_DOWN = 0.1
_MAY_BE_WHITE = 0.02
_WHITE = 245


@dataclass(frozen=True, slots=True)
class SceneFace:
    """Box (x, y, width, height) and landmarks (5, 2) in pixels of the scene."""

    box: Box
    landmarks: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """A photograph (480, 640, 3) RGB and the faces in it, the nearest last."""

    image: Image
    faces: tuple[SceneFace, ...]


class SceneDrawing:
    """A scene in the making: people are placed from the farthest to the nearest."""

    def __init__(self, background: Image) -> None:
        self.image = background
        self.faces: list[SceneFace] = []

    def place(self, sitter: Sitter, view: View, scale: float, x: int, y: int) -> bool:
        """Draw a head of half height `scale` pixels at (x, y); not if it leaves the scene or hides another face."""
        window = 2 * round(_WINDOW * scale / 2)
        left, top = x - window // 2, y - window // 2
        scene = Canvas(self.image.copy(), Frame(1, scale, (-x / scale, _LOOK_DOWN - y / scale)))
        draw_behind_head(scene, sitter.identity, view, rotation(view.pose))
        close = Frame(2 * window, 2 * scale, (0.0, _LOOK_DOWN))
        around = cv2.copyMakeBorder(scene.image, window, window, window, window, cv2.BORDER_REPLICATE)
        under = around[top + window : top + 2 * window, left + window : left + 2 * window]
        face = sitter.draw(view, cv2.resize(under, (2 * window, 2 * window)), close, sitter.landmarks(view))
        coverage = cv2.resize(face.coverage, (window, window), interpolation=cv2.INTER_AREA)[..., None]
        coverage = coverage / np.float32(255)
        near = cv2.resize(face.image, (window, window), interpolation=cv2.INTER_AREA)
        patch = (under + coverage * (near.astype(np.float32) - under)).astype(np.uint8)
        placed = _in_scene(face.box, face.landmarks, left, top)
        covered = scene.coverage.copy()
        rows, columns = _overlap(top, window, SCENE_HEIGHT), _overlap(left, window, SCENE_WIDTH)
        inner = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        covered[rows, columns] = np.maximum(covered[rows, columns], (255 * coverage[inner][..., 0]).astype(np.uint8))
        if not _inside(placed.box) or any(_hides(covered, other.box) for other in self.faces):
            return False
        scene.image[rows, columns] = patch[inner]
        self.image = scene.image
        self.faces.append(placed)
        return True

    def photograph(self, camera: Camera, rng: np.random.Generator) -> Scene:
        """What the camera makes of it: metered for the brightest parts, with little noise."""
        metered = replace(_metered(camera, self.image), noise=min(camera.noise, 5.0))
        return Scene(expose(self.image, metered, rng), tuple(self.faces))


def draw_scene(seed: int, number: int, first_identity: int) -> Scene:
    """Scene `number`; its people are numbered upwards from `first_identity` + 6 * number. One to six faces."""
    rng = generator(seed, Stream.SCENE, number)
    drawing = SceneDrawing(draw_background(rng, SCENE_WIDTH, SCENE_HEIGHT))
    wanted = int(rng.integers(1, _MOST_FACES + 1))
    scales = np.sort(np.exp(rng.uniform(np.log(13), np.log(70), wanted)))
    light = None
    for place, scale in enumerate(scales):
        person = first_identity + _MOST_FACES * number + place
        view = draw_view(seed, person, 0)
        light = light or view.light
        view = replace(view, light=replace(light, strength=light.strength * float(rng.uniform(0.9, 1.1))))
        sitter = Sitter(draw_identity(seed, person))
        for _ in range(_ATTEMPTS):
            if drawing.place(sitter, view, float(scale), *random_place(rng, float(scale))):
                break
    return drawing.photograph(view.camera, rng)


def random_place(rng: np.random.Generator, scale: float) -> tuple[int, int]:
    """Anywhere in the scene where a head of half height `scale` is whole."""
    reach = int(1.35 * scale)
    return int(rng.integers(reach, SCENE_WIDTH - reach)), int(rng.integers(reach, SCENE_HEIGHT - reach))


def _metered(camera: Camera, image: Image) -> Camera:
    """Less exposure where the brightest part of the scene would be white, and people before it have no outline."""
    grey = image.mean(axis=2, keepdims=True)
    brightest = (camera.saturation * image + (1 - camera.saturation) * grey).max(axis=2)
    bright = camera.contrast * float(np.quantile(brightest, 1 - _MAY_BE_WHITE))
    return replace(
        camera, exposure=min(camera.exposure, (_WHITE - MIDDLE_GREY * (1 - camera.contrast)) / max(bright, 1.0))
    )


def _overlap(start: int, length: int, limit: int) -> slice:
    return slice(max(start, 0), min(start + length, limit))


def _in_scene(box: Box, landmarks: npt.NDArray[np.float64], left: int, top: int) -> SceneFace:
    """From the close-up, drawn twice as large, to the scene."""
    x, y = (box[0] + 0.5) / 2 - 0.5 + left, (box[1] + 0.5) / 2 - 0.5 + top
    return SceneFace((x, y, box[2] / 2, box[3] / 2), (landmarks + 0.5) / 2 - 0.5 + (left, top))


def _inside(box: Box) -> bool:
    x, y, width, height = box
    return x >= 0 and y >= 0 and x + width <= SCENE_WIDTH - 1 and y + height <= SCENE_HEIGHT - 1


def _hides(covered: Image, box: Box) -> bool:
    x, y, width, height = (round(value) for value in box)
    return float((covered[max(y, 0) : y + height, max(x, 0) : x + width] > 0).mean()) > 0.02
