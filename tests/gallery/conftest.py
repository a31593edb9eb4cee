"""Models and photographs from which galleries are built without training."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facejobs.gallery.build import Enroller
from facejobs.gallery.changes import create_gallery
from facejobs.gallery.face_quality import QualityLimits
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.face_pipeline import FacePipeline
from facejobs.inference.model_identity import ModelIdentity

DETECTOR, RECOGNISER = ModelIdentity("detector", "d" * 64), ModelIdentity("recogniser", "e" * 64)


@pytest.fixture
def pipeline(
    publish_spot_detector: Callable[..., Path], publish_block_recogniser: Callable[..., Path], tmp_path: Path
) -> FacePipeline:
    """Finds white spots and embeds what is around them."""
    return FacePipeline.open(
        publish_spot_detector(tmp_path / "detector"), publish_block_recogniser(tmp_path / "recogniser")
    )


@pytest.fixture
def enroller(pipeline: FacePipeline) -> Enroller:
    """Enrols what the spot detector finds: faces of four pixels between the eyes, as high as half a face."""
    return Enroller(pipeline, QualityLimits(least_eye_distance=3, most_blur=1, most_pitch=90))


@pytest.fixture
def people(tmp_path: Path, draw_portrait: Callable[..., Any]) -> Path:
    """A folder of three people, two photographs of each."""
    folder = tmp_path / "people"
    for person, name in enumerate(("Ann Lee", "Bo", "Çelik, İ.")):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / name / f"{number}.png"), draw_portrait(person, number)[..., ::-1])
    return folder


@pytest.fixture
def enrol() -> Callable[..., EnrolledImage]:
    """Makes an image of a person: enrol(person, number, size=8, picture=None), each with an embedding of its own."""
    return _enrol


def _enrol(person: str, number: int = 0, size: int = 8, picture: bytes | None = None) -> EnrolledImage:
    sha256 = hashlib.sha256(f"{number} {person!r}".encode())
    embedding = np.random.default_rng(list(sha256.digest())).standard_normal(size).astype(np.float32)
    embedding /= np.linalg.norm(embedding)
    return EnrolledImage(person, f"{person}/{number}.jpg", sha256.hexdigest(), embedding, 0.5 + number, picture)


@pytest.fixture
def make_gallery(tmp_path: Path) -> Callable[..., Gallery]:
    """Makes a gallery of these images: make_gallery(images, name="gallery")."""

    def make(images: Iterable[EnrolledImage], name: str = "gallery") -> Gallery:
        images = list(images)
        return create_gallery(tmp_path / name, DETECTOR, RECOGNISER, len(images[0].embedding) if images else 8, images)

    return make
