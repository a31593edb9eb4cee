"""OpenCV's cascade finds faces and says how surely."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import cv2.data
import numpy as np
import pytest

from facejobs.data.detection.label_files import read_labels
from facejobs.data.detection.overlap import intersection_over_union
from facejobs.data.detection.photographs import read_photograph
from facejobs.data.detection.test_scale import TestScale
from facejobs.data.errors import ModelError
from facejobs.inference.haar import HaarDetector


@pytest.fixture(scope="module")
def photograph(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first validation photograph with one large labelled face, reduced, and the box of the face."""
    split = shared_data / "detection_train_data" / "val"
    for image in read_labels(split / "label.txt").images:
        if len(image) == 1 and image.boxes[0, 3] - image.boxes[0, 1] > 250 and not np.isnan(image.landmarks).any():
            pixels = read_photograph(split / "images" / image.path)
            factor = 320 / max(pixels.shape)
            return cv2.resize(pixels, None, fx=factor, fy=factor), image.boxes[0] * factor
    raise AssertionError("no photograph with one large face")


@pytest.mark.shared_data
@pytest.mark.parametrize("scale", ["original", "short-200"])
def test_a_large_face_is_found_best(photograph: tuple[np.ndarray, np.ndarray], scale: str) -> None:
    image, face = photograph
    found = HaarDetector(TestScale.parse(scale)).detect(image)
    assert found.landmarks is None
    assert intersection_over_union(found.boxes[:1], face[None])[0, 0] > 0.5
    assert np.diff(found.scores).max(initial=0) <= 0


@pytest.mark.shared_data
def test_the_threshold_drops_weak_faces_only(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    everything = HaarDetector().detect(photograph[0])
    best = HaarDetector(score_threshold=float(everything.scores[0])).detect(photograph[0])
    assert best.boxes.tolist() == everything.boxes[:1].tolist()


@pytest.mark.shared_data
def test_threads_may_share_one(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    detector = HaarDetector(TestScale.parse("short-100"))
    views = [photograph[0], photograph[0][:, ::-1], photograph[0][::-1]] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, views))
    for view, found in zip(views, together, strict=True):
        assert np.array_equal(found.scores, detector.detect(view).scores)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 200, 3), (40, 40, 3)])
def test_nothing_is_found_where_nothing_is(shape: tuple[int, int, int]) -> None:
    found = HaarDetector().detect(np.zeros(shape, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_an_opencv_without_cascades_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cv2.data, "haarcascades", f"{tmp_path}/")
    with pytest.raises(ModelError, match=r"haarcascade_frontalface_default\.xml is missing or damaged"):
        HaarDetector()
