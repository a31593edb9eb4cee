"""Mirror, shift and jitter: what is drawn, and what is done to the pixels."""

import numpy as np
import pytest

from facejobs.data.augmentation import Augmentation, place

FIELDS = ("mirror", "shift", "gain", "bias")


def moved(image: np.ndarray, mirror: bool, down: int, right: int) -> np.ndarray:
    """Move pixel by pixel, as the definition says."""
    height, width, _ = image.shape
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            source = (row - down, column - right)
            if 0 <= source[0] < height and 0 <= source[1] < width:
                result[row, column] = image[source[0], width - 1 - source[1] if mirror else source[1]]
    return result


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("down", [-8, -3, 0, 1, 8])
@pytest.mark.parametrize("right", [-6, -1, 0, 2, 6])
def test_place_equals_its_definition(mirror: bool, down: int, right: int) -> None:
    image = np.random.default_rng(0).integers(1, 256, (9, 7, 3), dtype=np.uint8)
    before = image.copy()
    batch = np.full((3, 9, 7, 3), 255, np.uint8)
    place(image, mirror, down, right, batch[1])
    np.testing.assert_array_equal(batch[1], moved(image, mirror, down, right))
    np.testing.assert_array_equal(image, before)
    assert (batch[0] == 255).all() and (batch[2] == 255).all()


def test_draws_depend_on_seed_and_step_alone() -> None:
    augmentation = Augmentation()
    first = augmentation.draw(3, 1000, 64)
    augmentation.draw(3, 5, 64)
    again = augmentation.draw(3, 1000, 64)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
    for other in (augmentation.draw(3, 1001, 64), augmentation.draw(4, 1000, 64)):
        for field in FIELDS:
            assert (getattr(first, field) != getattr(other, field)).any()


def test_draws_stay_within_their_strengths_and_use_them() -> None:
    draws = Augmentation(shift=6, brightness=0.1, contrast=0.2, colour=0.05).draw(0, 0, 20_000)
    assert abs(draws.mirror.mean() - 0.5) < 0.02
    values, counts = np.unique(draws.shift, return_counts=True)
    assert values.tolist() == list(range(-6, 7))
    assert counts.min() > 0.9 * counts.mean()
    assert draws.gain.min() >= 0.8 * 0.95 - 1e-6 and draws.gain.max() <= 1.2 * 1.05 + 1e-6
    assert draws.gain.min() < 0.78 and draws.gain.max() > 1.24
    assert 0.099 < np.abs(draws.bias).max() <= 0.1 + 1e-6
    assert (draws.bias == draws.bias[:, :1]).all()
    assert draws.gain.dtype == draws.bias.dtype == np.float32
    correlation = np.corrcoef(np.column_stack([draws.mirror, draws.shift, draws.gain[:, 0], draws.bias[:, 0]]).T)
    assert np.abs(correlation - np.eye(5)).max() < 0.03


def test_off_means_off_and_leaves_the_other_draws_alone() -> None:
    off = Augmentation(mirror=False, shift=0, brightness=0, contrast=0, colour=0).draw(0, 7, 100)
    assert not off.mirror.any() and not off.shift.any()
    assert (off.gain == 1).all() and (off.bias == 0).all()
    full, calm = Augmentation().draw(0, 7, 100), Augmentation(mirror=False, brightness=0).draw(0, 7, 100)
    np.testing.assert_array_equal(full.shift, calm.shift)
    np.testing.assert_array_equal(full.gain, calm.gain)


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"contrast": 1.0}, {"brightness": -0.1}, {"colour": 2}])
def test_strengths_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)
