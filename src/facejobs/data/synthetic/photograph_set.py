"""Synthetic photographs as a detection set: images and `label.txt` in RetinaFace's dialect."""

from functools import partial
from pathlib import Path

import simplejpeg

from facejobs.data.synthetic.scenes import SceneFace, draw_scene
from facejobs.data.synthetic.workers import OrderedMap, Progress

_JPEG_QUALITY = 88
_VISIBLE = "0.0"
_NOT_BLURRED = "0.0"

EncodedScene = tuple[bytes, tuple[SceneFace, ...]]


def write_photographs(
    folder: Path, seed: int, count: int, first_identity: int, workers: OrderedMap, progress: Progress
) -> None:
    """Draw `count` photographs of people numbered from `first_identity`, one to six faces in each."""
    images = folder / "images"
    images.mkdir(parents=True)
    drawn = workers(partial(_encode_scene, seed, first_identity), range(count))
    with (folder / "label.txt").open("w", encoding="utf-8", newline="\n") as labels:
        for number, (photograph, faces) in enumerate(drawn, 1):
            name = f"photograph_{number:04d}.jpg"
            (images / name).write_bytes(photograph)
            labels.write(f"# {name}\n")
            labels.writelines(label_line(face) + "\n" for face in faces)
            progress("photographs", number, count)


def label_line(face: SceneFace) -> str:
    """The 20 fields `x y w h (x y v) x 5 blur`, v 0 for a landmark that is labelled and blur 0 for a clear face."""
    fields = [f"{value:.2f}" for value in face.box]
    for x, y in face.landmarks:
        fields += [f"{x:.3f}", f"{y:.3f}", _VISIBLE]
    return " ".join([*fields, _NOT_BLURRED])


def _encode_scene(seed: int, first_identity: int, number: int) -> EncodedScene:
    scene = draw_scene(seed, number, first_identity)
    return simplejpeg.encode_jpeg(scene.image, _JPEG_QUALITY, "RGB", "420"), scene.faces
