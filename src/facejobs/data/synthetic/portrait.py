"""One aligned face as a recogniser sees it: drawn, photographed, cut out by its landmarks, kept as JPEG."""

import numpy as np
import numpy.typing as npt
import simplejpeg

from facejobs.data.alignment import TEMPLATE, TEMPLATE_SIZE, align_face, estimate_similarity
from facejobs.data.synthetic.background import draw_background
from facejobs.data.synthetic.camera import photograph
from facejobs.data.synthetic.identity import draw_identity
from facejobs.data.synthetic.render import Sitter
from facejobs.data.synthetic.seeding import Stream, generator
from facejobs.data.synthetic.surroundings import Frame
from facejobs.data.synthetic.view import View, draw_view

_CANVAS = 208
_OVERSAMPLING = 1.3
_LANDMARK_ERROR = 0.012


def draw_portraits(seed: int, images: int, identity: int) -> list[bytes]:
    """Images 0..images-1 of a person, each the JPEG of an aligned face 112x112; the same for every caller."""
    sitter = Sitter(draw_identity(seed, identity))
    return [draw_portrait(sitter, draw_view(seed, identity, image), seed, image) for image in range(images)]


def draw_portrait(sitter: Sitter, view: View, seed: int, image: int) -> bytes:
    """One picture as JPEG. The landmarks it is aligned by carry the small error of a good detector."""
    person = sitter.identity.number
    background = draw_background(generator(seed, Stream.BACKGROUND, person, image), _CANVAS, _CANVAS)
    places = sitter.landmarks(view)
    fit = estimate_similarity(places[:, :2], TEMPLATE)
    middle = np.linalg.solve(fit[:, :2], np.full(2, (TEMPLATE_SIZE - 1) / 2) - fit[:, 2])
    scale = _OVERSAMPLING * float(np.hypot(fit[0, 0], fit[1, 0]))
    face = sitter.draw(view, background, Frame(_CANVAS, scale, (float(middle[0]), float(middle[1]))), places)
    rng = generator(seed, Stream.CAMERA, person, image)
    pixels = min(round(_CANVAS * view.camera.pixels / scale), _CANVAS)
    shot = photograph(face.image, view.camera, rng, pixels)
    shrink = pixels / _CANVAS
    landmarks: npt.NDArray[np.float64] = (face.landmarks + 0.5) * shrink - 0.5
    landmarks += _LANDMARK_ERROR * scale * shrink * np.clip(rng.standard_normal((5, 2)), -2.5, 2.5)
    aligned = align_face(shot, landmarks)
    encoded: bytes = simplejpeg.encode_jpeg(aligned, view.camera.jpeg_quality, "RGB", "420")
    return encoded
