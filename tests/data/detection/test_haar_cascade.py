"""A cascade of OpenCV whose windows become faces."""

from pathlib import Path

import cv2
import cv2.data
import numpy as np
import pytest

from facejobs.data.detection.haar_cascade import HaarCascade
from facejobs.data.detection.photographs import read_photograph

SHIPPED = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
ONE_STAGE = """<?xml version="1.0"?>
<opencv_storage><cascade>
<stageType>BOOST</stageType><featureType>HAAR</featureType><height>24</height><width>20</width>
<stageParams><boostType>GAB</boostType><minHitRate>.9</minHitRate><maxFalseAlarm>.5</maxFalseAlarm>
<weightTrimRate>.9</weightTrimRate><maxDepth>1</maxDepth><maxWeakCount>1</maxWeakCount></stageParams>
<featureParams><maxCatCount>0</maxCatCount><featSize>1</featSize><mode>BASIC</mode></featureParams>
<stageNum>1</stageNum>
<stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>-2.</stageThreshold><weakClassifiers>
<_><internalNodes>0 -1 0 0.</internalNodes><leafValues>-1. 1.</leafValues></_></weakClassifiers></_></stages>
<features><_><rects><_>0 0 20 24 -1.</_><_>0 0 10 24 2.</_></rects><tilted>0</tilted></_></features>
</cascade></opencv_storage>
"""


@pytest.mark.shared_data
def test_groups_are_those_of_opencv(shared_data: Path) -> None:
    cascade, opencv = HaarCascade(SHIPPED), cv2.CascadeClassifier(str(SHIPPED))
    found = 0
    for path in sorted((shared_data / "detection_train_data" / "test" / "images").rglob("*.jpg"))[:8]:
        image = read_photograph(path)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        groups, _, weights = opencv.detectMultiScale3(grey, scaleFactor=1.1, minNeighbors=3, outputRejectLevels=True)
        told = {(x, y, x + width, y + height) for x, y, width, height in np.array(groups).reshape(-1, 4).tolist()}
        faces = cascade.detect(image)
        assert {tuple(box) for box in faces.boxes.astype(int).tolist()} <= told
        assert faces.scores.max(initial=0) <= np.max(weights, initial=0) + 1e-4
        found += len(faces)
    assert found > 5


def test_a_cascade_that_lets_everything_pass_groups_its_best_windows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = []
    group = cv2.groupRectangles

    def count(windows, *options):
        grouped.append(len(windows))
        return group(windows, *options)

    monkeypatch.setattr(cv2, "groupRectangles", count)
    (tmp_path / "cascade.xml").write_text(ONE_STAGE)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    faces = HaarCascade(tmp_path / "cascade.xml").detect(image)
    assert grouped == [5000]
    assert len(faces) and np.isfinite(faces.scores).all()
