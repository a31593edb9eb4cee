"""Small splits of drawn photographs for the tests of this room."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

sys.path.insert(0, str(Path(__file__).parent))

WriteSplit = Callable[..., Path]


@pytest.fixture
def photograph() -> Callable[..., bytes]:
    """Makes the JPEG of a picture that is different for every seed: photograph(seed, height=60, width=80)."""

    def make(seed: int, height: int = 60, width: int = 80) -> bytes:
        picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        return simplejpeg.encode_jpeg(picture, 80, "RGB")

    return make


@pytest.fixture
def write_split(tmp_path: Path) -> WriteSplit:
    """Writes a split and returns its folder: write_split(label text, {path of image: bytes}, name="split")."""

    def write(labels: str | None, images: Mapping[str, bytes], name: str = "split") -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        if labels is not None:
            (folder / "label.txt").write_text(labels)
        for path, content in images.items():
            (folder / "images" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / path).write_bytes(content)
        return folder

    return write
