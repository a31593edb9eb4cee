"""Crops of photographs: which are made, where faces and landmarks end up, and what becomes of the pixels."""

import numpy as np
import pytest
from face_boxes import box_tables
from hypothesis import assume, given
from hypothesis import strategies as st

from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.photo_augmentation import Crop, PhotoAugmentation, crop_photograph
from facejobs.data.normalization import PADDING

SIZE = 96
FEATURES = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
"""Where landmarks lie in a box, of 1 x 1."""
sides = st.integers(1, 250)
seeds = st.integers(0, 2**32)


def labelled(boxes: np.ndarray, ignored: np.ndarray | None = None) -> LabelledImage:
    landmarks = boxes[:, None, :2] + FEATURES * (boxes[:, None, 2:] - boxes[:, None, :2])
    nothing = np.zeros(len(boxes), bool)
    return LabelledImage(
        "a.jpg", 1, boxes, landmarks, nothing.astype(np.float32), nothing if ignored is None else ignored
    )


def cropped(augmentation: PhotoAugmentation, seed: int, height: int, width: int, image: LabelledImage) -> Crop:
    return augmentation.crop(height, width, image, augmentation.draw(seed, 0, 1, (SIZE,)), 0)


def within(boxes: np.ndarray, rectangle: tuple[int, int, int, int]) -> np.ndarray:
    return (boxes[:, :2] >= rectangle[:2]).all(axis=1) & (boxes[:, 2:] <= rectangle[2:]).all(axis=1)


def target_after_mirror(crop: Crop) -> tuple[int, int, int, int]:
    left, top, right, bottom = crop.target
    return (SIZE - right, top, SIZE - left, bottom) if crop.mirror else crop.target


@given(sides, sides, box_tables(6), seeds, st.sampled_from([(), (0.3, 1.0), (0.3, 0.45, 0.6, 0.8, 1.0, 1.7)]))
def test_every_crop_is_a_part_of_the_photograph_and_its_faces_lie_inside(
    height: int, width: int, boxes: np.ndarray, seed: int, scales: tuple[float, ...]
) -> None:
    augmentation = PhotoAugmentation(crop_scales=scales)
    image = labelled(boxes)
    crop = cropped(augmentation, seed, height, width, image)
    left, top, right, bottom = crop.source
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert 0 <= crop.target[0] < crop.target[2] <= SIZE and 0 <= crop.target[1] < crop.target[3] <= SIZE
    faces = augmentation.crop_faces(image, crop, SIZE)
    assert within(faces.boxes, target_after_mirror(crop)).all()
    assert (faces.boxes[:, 2:] > faces.boxes[:, :2]).all()
    assert ((faces.boxes[:, 2:] - faces.boxes[:, :2])[~faces.ignored] >= augmentation.smallest_face).all()


@given(sides, sides, box_tables(4, reach=60, smallest=1), seeds, st.data())
def test_a_crop_holds_a_whole_face_or_the_whole_photograph(
    height: int, width: int, boxes: np.ndarray, seed: int, data: st.DataObject
) -> None:
    assume(len(boxes))
    low = np.clip(boxes[:, :2], 0, [width - 1, height - 1])
    boxes = np.concatenate([low, np.clip(boxes[:, 2:], low + 1, [width, height])], axis=1).astype(np.float32)
    ignored = np.array(data.draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes))))
    ignored[data.draw(st.integers(0, len(boxes) - 1))] = False
    crop = cropped(PhotoAugmentation(), seed, height, width, labelled(boxes, ignored))
    assert within(boxes[~ignored], crop.source).any() or crop.source == (0, 0, width, height)


@given(sides, sides, box_tables(6, reach=100, smallest=1), seeds)
def test_faces_are_kept_where_their_centre_is_inside_and_landmarks_follow(
    height: int, width: int, boxes: np.ndarray, seed: int
) -> None:
    """Boxes and landmarks undergo the same map: what lies at a share of a whole box still does."""
    augmentation = PhotoAugmentation(smallest_face=0)
    image = labelled(boxes)
    crop = cropped(augmentation, seed, height, width, image)
    faces = augmentation.crop_faces(image, crop, SIZE)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (centres > crop.source[:2]).all(axis=1) & (centres < crop.source[2:]).all(axis=1)
    assert np.count_nonzero(~faces.ignored) == np.count_nonzero(inside)
    seen = (np.minimum(boxes[:, 2:], crop.source[2:]) > np.maximum(boxes[:, :2], crop.source[:2])).all(axis=1)
    whole = within(boxes, crop.source)[seen]
    kept, points = faces.boxes[whole], faces.landmarks[whole]
    expected = kept[:, None, :2] + FEATURES * (kept[:, None, 2:] - kept[:, None, :2])
    np.testing.assert_allclose(points, expected, atol=0.01)


@given(
    sides, sides, box_tables(6), seeds, st.sampled_from([(), (0.3, 1.0), (0.45, 1.7), (1.5,)]), st.floats(0, 2 * SIZE)
)
def test_a_face_that_counts_in_any_crop_is_one_that_can(
    height: int, width: int, boxes: np.ndarray, seed: int, scales: tuple[float, ...], smallest: float
) -> None:
    augmentation = PhotoAugmentation(crop_scales=scales, smallest_face=smallest)
    image = labelled(boxes)
    crop = cropped(augmentation, seed, height, width, image)
    can = augmentation.can_count(height, width, image, SIZE)
    for number in range(len(boxes)):
        alone = augmentation.crop_faces(labelled(boxes[number : number + 1]), crop, SIZE)
        assert can[number] or alone.ignored.all()


def test_faces_that_cannot_count_are_ignored_outside_or_too_small_for_the_smallest_crop() -> None:
    boxes = np.array([[10, 10, 13, 13], [10, 10, 12.9, 20], [10, 10, 30, 30], [-20, 5, 15, 25]], np.float32)
    image = labelled(boxes, np.array([False, False, True, False]))
    # The smallest crop is 57.6, that is 58, pixels wide: 3 become 4.97.
    augmentation = PhotoAugmentation(crop_scales=(1, 0.6), smallest_face=4.9)
    assert augmentation.can_count(96, 200, image, SIZE).tolist() == [True, False, False, False]
    assert PhotoAugmentation(smallest_face=SIZE + 1).can_count(96, 200, image, SIZE).tolist() == [False] * 4


@given(st.integers(20, 250), st.integers(20, 250), seeds, st.sampled_from([(0.3,), (0.6, 1.0), (1.0, 2.0), ()]))
def test_pixels_go_where_landmarks_go(height: int, width: int, seed: int, scales: tuple[float, ...]) -> None:
    """The photograph says in every pixel where it is: red its column, green its row."""
    rows, columns = np.mgrid[:height, :width]
    photograph = np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)
    whole = np.array([[0, 0, width, height]], np.float32)
    augmentation = PhotoAugmentation(crop_scales=scales)
    image = labelled(whole, np.array([True]))
    crop = cropped(augmentation, seed, height, width, image)
    result = np.empty((SIZE, SIZE, 3), np.uint8)
    crop_photograph(photograph, crop, result)
    faces = augmentation.crop_faces(image, crop, SIZE)
    order = [1, 0, 2, 4, 3] if crop.mirror else [0, 1, 2, 3, 4]
    source, target = (np.reshape(part, (2, 2)) for part in (crop.source, crop.target))
    shrink = max(1, ((source[1] - source[0]) / (target[1] - target[0])).max())
    for point, (x, y) in zip(faces.landmarks[0], image.landmarks[0, order], strict=True):
        column, row = int(np.floor(point[0])), int(np.floor(point[1]))
        left, top, right, bottom = target_after_mirror(crop)
        if left + 1 <= column < right - 1 and top + 1 <= row < bottom - 1:
            # A pixel's number is that of its left edge; half a pixel is what rounding to whole ones costs on each side.
            assert abs(result[row, column, 0] + 0.5 - x) <= shrink + 0.51
            assert abs(result[row, column, 1] + 0.5 - y) <= shrink + 0.51


def test_padding_is_grey_and_nowhere_else() -> None:
    photograph = np.full((20, 60, 3), 255, np.uint8)
    augmentation = PhotoAugmentation(crop_scales=(), mirror=False)
    result = np.zeros((SIZE, SIZE, 3), np.uint8)
    crop = cropped(augmentation, 3, 20, 60, labelled(np.empty((0, 4), np.float32)))
    crop_photograph(photograph, crop, result)
    assert crop.source == (0, 0, 60, 20) and crop.target[2] - crop.target[0] == SIZE
    assert (crop.target[3] - crop.target[1]) == 32
    rows = (result == 255).all(axis=(1, 2))
    assert rows.sum() == 32 and (result[~rows] == PADDING).all()
    assert rows[crop.target[1] : crop.target[3]].all()


@pytest.mark.parametrize(
    "plain",
    [
        Crop((3, 2, 43, 40), (4, 0, 90, 80), False),
        Crop((0, 0, 50, 40), (0, 7, 96, 8), False),
        Crop((0, 0, 50, 40), (10, 0, 11, 96), False),
    ],
)
def test_mirror_mirrors_pixels_and_faces_alike(plain: Crop) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    image = labelled(np.array([[5, 8, 25, 30]], np.float32))
    results = []
    for crop in (plain, plain._replace(mirror=True)):
        results.append(np.zeros((SIZE, SIZE, 3), np.uint8))
        crop_photograph(photograph, crop, results[-1])
    np.testing.assert_array_equal(results[0][:, ::-1], results[1])
    assert np.ptp(results[0]) > 0
    one, other = (PhotoAugmentation().crop_faces(image, crop, SIZE) for crop in (plain, plain._replace(mirror=True)))
    np.testing.assert_allclose(other.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [SIZE, 0, SIZE, 0], one.boxes, atol=1e-4)
    assert (other.landmarks[:, 0, 0] < other.landmarks[:, 1, 0]).all()


def test_no_pixel_is_passed_over_however_much_a_crop_is_shrunk() -> None:
    stripes = np.zeros((SIZE * 4, SIZE * 4, 3), np.uint8)
    stripes[:, ::4] = 255
    result = np.empty((SIZE, SIZE, 3), np.uint8)
    crop_photograph(stripes, Crop((0, 0, SIZE * 4, SIZE * 4), (0, 0, SIZE, SIZE), True), result)
    assert (result == 64).all()


def test_small_cut_and_ignored_faces_are_ignored_and_unknown_landmarks_stay_unknown() -> None:
    boxes = np.array([[10, 10, 30, 30], [40, 40, 42, 60], [90, 10, 130, 40], [50, 60, 80, 90], [98, 98, 120, 120]], "f")
    image = labelled(boxes, np.array([False, False, False, True, False]))
    image.landmarks[0] = np.nan
    faces = PhotoAugmentation().crop_faces(image, Crop((0, 0, 96, 96), (0, 0, 96, 96), False), SIZE)
    assert faces.boxes.tolist() == [[10, 10, 30, 30], [40, 40, 42, 60], [90, 10, 96, 40], [50, 60, 80, 90]]
    assert faces.ignored.tolist() == [False, True, True, True]
    assert np.isnan(faces.landmarks[0]).all() and np.isfinite(faces.landmarks[1:]).all()


def test_a_photograph_without_faces_is_cropped_at_any_scale() -> None:
    nothing = labelled(np.empty((0, 4), np.float32))
    augmentation = PhotoAugmentation()
    crops = [cropped(augmentation, seed, 100, 300, nothing) for seed in range(200)]
    widths = [crop.source[2] - crop.source[0] for crop in crops]
    assert set(widths) == {30, 45, 60, 80, 100}
    assert {crop.source[2] > 200 for crop in crops} == {crop.mirror for crop in crops} == {True, False}


def test_draws_depend_on_seed_and_step_alone_and_use_every_size() -> None:
    augmentation = PhotoAugmentation()
    first, again = (augmentation.draw(5, 7, 16, (64, 96)) for _ in range(2))
    for name in ("mirror", "attempts", "gain", "bias"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        for other in (augmentation.draw(5, 8, 16, (64, 96)), augmentation.draw(6, 7, 16, (64, 96))):
            assert (getattr(first, name) != getattr(other, name)).any()
    assert {augmentation.draw(5, step, 1, (64, 96, 128)).size for step in range(40)} == {64, 96, 128}


@pytest.mark.parametrize("wrong", [{"crop_scales": (0.5, 0.0)}, {"crop_scales": (float("nan"),)}, {"contrast": 1.0}])
def test_values_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        PhotoAugmentation(**wrong)


@pytest.mark.parametrize(
    ("height", "width", "scales"), [(1, 1, (0.3, 1.0)), (9000, 12_000, (0.3, 1.0)), (1, 8000, ()), (8000, 1, (1.0,))]
)
def test_photographs_of_extreme_sizes_can_be_cropped(height: int, width: int, scales: tuple[float, ...]) -> None:
    photograph = np.zeros((height, width, 3), np.uint8)
    result = np.empty((SIZE, SIZE, 3), np.uint8)
    image = labelled(np.array([[0, 0, width, height]], np.float32))
    augmentation = PhotoAugmentation(crop_scales=scales)
    crop = cropped(augmentation, 1, height, width, image)
    crop_photograph(photograph, crop, result)
    assert len(augmentation.crop_faces(image, crop, SIZE).boxes) == 1
