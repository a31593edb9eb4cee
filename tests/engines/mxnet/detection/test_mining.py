"""Hard negative mining against its definition, written out image by image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facejobs.engines.mxnet.detection.mining import mine


@given(
    hnp.arrays(np.float32, (3, 12), elements=st.sampled_from([-4.0, -1.0, 0.0, 0.5, 3.0])),
    hnp.arrays(np.float32, (3, 12), elements=st.sampled_from([-1.0, 0.0, 1.0])),
    st.sampled_from([0.5, 1.0, 3.0, 7.0]),
)
def test_faces_and_the_hardest_background_count(logits, labels, ratio) -> None:
    chosen = mine(logits, labels, ratio)
    for image in range(3):
        faces, background = labels[image] == 1, labels[image] == 0
        assert (chosen[image][faces] == 1).all()
        assert (chosen[image][labels[image] == -1] == 0).all()
        wanted = min(math.ceil(ratio * max(1, faces.sum())), background.sum())
        taken = background & (chosen[image] == 1)
        assert taken.sum() == wanted
        left = background & ~taken
        if taken.any() and left.any():
            assert logits[image][taken].min() >= logits[image][left].max()


def test_an_image_without_faces_has_the_background_of_one() -> None:
    logits = np.arange(40, dtype=np.float32)[None]
    chosen = mine(logits, np.zeros((1, 40), np.float32), 7)
    assert chosen.sum() == 7
    assert np.flatnonzero(chosen[0]).min() == 33


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_logit_that_is_no_number_counts(value: float) -> None:
    logits = np.zeros((1, 40), np.float32)
    logits[0, 5] = value
    assert mine(logits, np.zeros((1, 40), np.float32), 7)[0, 5] == 1
