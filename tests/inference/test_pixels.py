"""The table gives what the arithmetic gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.inference.pixels import network_input


@pytest.mark.parametrize(("mean", "scale"), [(127.5, 1 / 128), (0.0, 1 / 255), (10.25, 2.0)])
@given(shape=st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(1, 40)), mirrored=st.booleans())
def test_pixels_are_normalised_and_in_planes(
    mean: float, scale: float, shape: tuple[int, int, int], mirrored: bool
) -> None:
    images = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3)).astype(np.uint8)
    if mirrored:
        images = images[:, :, ::-1]
    values = network_input(images, mean, scale)
    expected = (images.astype(np.float32) - np.float32(mean)) * np.float32(scale)
    assert values.dtype == np.float32
    assert np.array_equal(values, expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_channels_are_ordered_and_have_their_own_numbers(order: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    values = network_input(images, (104.0, 117.0, 123.0), (1.0, 0.5, 0.25), order)
    fed = images if order == "RGB" else images[..., ::-1]
    expected = (fed.astype(np.float32) - np.float32([104, 117, 123])) * np.float32([1, 0.5, 0.25])
    assert np.array_equal(values, expected.transpose(0, 3, 1, 2))
