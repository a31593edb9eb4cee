"""Synthetic photographs as a detection set: images and `label.txt` in RetinaFace's dialect."""

from functools import partial
from pathlib import Path

import simplejpeg

from facejobs.data.detection.detection_split import IMAGES, LABELS
from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.label_building import LabelBuilder
from facejobs.data.detection.label_writing import label_bytes
from facejobs.data.synthetic.scenes import SceneFace, draw_scene
from facejobs.data.synthetic.workers import OrderedMap, Progress

_JPEG_QUALITY = 88
_CLEAR = 0.0

EncodedScene = tuple[bytes, tuple[SceneFace, ...]]


def write_photographs(
    folder: Path,
    seed: int,
    numbers: range,
    first_identity: int,
    workers: OrderedMap,
    progress: Progress,
    what: str = "photographs",
) -> None:
    """Draw the scenes of these numbers, each with one to six people of its own, numbered from `first_identity`.

    `progress` is told how many are drawn, under the name `what`.
    """
    images = folder / IMAGES
    images.mkdir(parents=True)
    labels: list[LabelledImage] = []
    for done, (photograph, faces) in enumerate(workers(partial(_encode_scene, seed, first_identity), numbers), 1):
        name = f"photograph_{numbers[done - 1] + 1:04d}.jpg"
        (images / name).write_bytes(photograph)
        labels.append(_labelled(name, faces))
        progress(what, done, len(numbers))
    (folder / LABELS).write_bytes(label_bytes("retinaface", labels))


def _labelled(name: str, faces: tuple[SceneFace, ...]) -> LabelledImage:
    image = LabelBuilder(name, 1)
    for face in faces:
        x, y, width, height = face.box
        landmarks = tuple((float(across), float(down)) for across, down in face.landmarks)
        image.add((x, y, x + width, y + height), landmarks=landmarks, blur=_CLEAR)
    return image.labelled()


def _encode_scene(seed: int, first_identity: int, number: int) -> EncodedScene:
    scene = draw_scene(seed, number, first_identity)
    return simplejpeg.encode_jpeg(scene.image, _JPEG_QUALITY, "RGB", "420"), scene.faces
