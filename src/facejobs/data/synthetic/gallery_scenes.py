"""Photographs for a gallery: one large face, or a group in a row, of people that the caller names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facejobs.data.synthetic.background import draw_background
from facejobs.data.synthetic.identity import draw_identity
from facejobs.data.synthetic.render import Sitter
from facejobs.data.synthetic.scenes import SCENE_HEIGHT, SCENE_WIDTH, Scene, SceneDrawing, random_place
from facejobs.data.synthetic.seeding import Stream, generator
from facejobs.data.synthetic.view import draw_view

_SMALLEST, _LARGEST = 45.0, 75.0
_GROUP_SCALE = 0.38
_LARGEST_IN_GROUP = 75.0


def draw_single(seed: int, sitter: Sitter, image: int) -> Scene:
    """Photograph `image` of a person, alone and near the camera."""
    person = sitter.identity.number
    rng = generator(seed, Stream.GALLERY, person, image)
    view = draw_view(seed, person, image)
    drawing = SceneDrawing(draw_background(rng, SCENE_WIDTH, SCENE_HEIGHT))
    scale = float(rng.uniform(_SMALLEST, _LARGEST))
    drawing.place(sitter, view, scale, *random_place(rng, scale))
    return drawing.photograph(view.camera, rng)


def draw_group(seed: int, number: int, people: Sequence[int], image: int) -> Scene:
    """Group photograph `number`: view `image` of each of `people`, side by side from left to right, in one light."""
    rng = generator(seed, Stream.GROUP, number)
    views = [draw_view(seed, person, image) for person in people]
    drawing = SceneDrawing(draw_background(rng, SCENE_WIDTH, SCENE_HEIGHT))
    room = SCENE_WIDTH / len(people)
    scale = min(_GROUP_SCALE * room, _LARGEST_IN_GROUP)
    heights = rng.uniform(0.32, 0.5, len(people)) * SCENE_HEIGHT
    shifts = rng.uniform(-0.06, 0.06, len(people)) * room
    for place in np.argsort(heights):
        view = replace(views[place], light=views[0].light)
        x = round((place + 0.5) * room + shifts[place])
        drawing.place(Sitter(draw_identity(seed, people[place])), view, scale, x, round(heights[place]))
    return drawing.photograph(views[0].camera, rng)
