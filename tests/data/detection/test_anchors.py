"""Anchors, one by one, and layouts that make no sense."""

import numpy as np
import pytest

from facejobs.data.detection.anchors import AnchorLayout


def test_anchors_stand_in_the_middle_of_their_cells_level_by_level() -> None:
    layout = AnchorLayout()
    expected = [
        ((column + 0.5) * stride, (row + 0.5) * stride, size, size)
        for stride, sizes in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
        for row in range(64 // stride)
        for column in range(96 // stride)
        for size in sizes
    ]
    boxes = layout.boxes(64, 96)
    np.testing.assert_array_equal(boxes, np.array(expected, np.float32))
    assert boxes.dtype == np.float32 and layout.count(64, 96) == len(expected)


def test_an_image_of_640_pixels_has_16800_anchors_made_once() -> None:
    layout = AnchorLayout()
    boxes = layout.boxes(640, 640)
    assert boxes.shape == (16_800, 4)
    assert AnchorLayout().boxes(640, 640) is boxes
    with pytest.raises(ValueError, match="read-only"):
        boxes[0] = 0


def test_levels_may_have_different_numbers_of_sizes() -> None:
    layout = AnchorLayout(strides=(4, 16), sizes=((8,), (20, 40, 80)))
    assert layout.multiple == 16
    assert layout.boxes(16, 16)[:, 2].tolist() == [8] * 16 + [20, 40, 80]


@pytest.mark.parametrize(("height", "width"), [(640, 650), (16, 64), (0, 32), (-32, 32)])
def test_images_without_a_whole_number_of_cells_are_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"{width} x {height} pixels: both must be multiples of 32"):
        AnchorLayout().boxes(height, width)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strides": (8, 16)},
        {"strides": (), "sizes": ()},
        {"sizes": ((16,), (), (32,))},
        {"strides": (8, 12, 32)},
        {"strides": (0, 16, 32)},
        {"sizes": ((16, 32), (64, 0), (256, 512))},
        {"variances": (0.1, 0.0)},
    ],
)
def test_layouts_without_meaning_are_refused(wrong: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(ValueError):
        AnchorLayout(**wrong)
