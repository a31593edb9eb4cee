"""The order of an epoch."""

import numpy as np

from facejobs.data.epoch_order import EpochOrder, random_stream


def test_every_epoch_is_another_permutation() -> None:
    order = EpochOrder(1000, seed=5)
    epochs = [order.positions(epoch, 0, 1000) for epoch in range(3)]
    for positions in epochs:
        assert sorted(positions.tolist()) == list(range(1000))
    assert (epochs[0] == epochs[1]).mean() < 0.02 and (epochs[1] == epochs[2]).mean() < 0.02


def test_a_stretch_is_the_same_however_it_is_reached() -> None:
    walked = EpochOrder(1000, seed=5)
    for epoch in range(4):
        expected = walked.positions(epoch, 300, 64)
    np.testing.assert_array_equal(EpochOrder(1000, seed=5).positions(3, 300, 64), expected)
    epoch, positions = EpochOrder(1000, seed=5).batch(3 * 15 + 5, 64)
    assert epoch == 3
    np.testing.assert_array_equal(positions, EpochOrder(1000, seed=5).positions(3, 320, 64))
    assert (EpochOrder(1000, seed=6).positions(3, 300, 64) != expected).any()


def test_streams_are_apart_for_every_part_of_their_name() -> None:
    names = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**64 - 1, 0, 0), (0, 0, 2**40)]
    draws = {random_stream(*name).bytes(16) for name in names}
    assert len(draws) == len(names)
    assert random_stream(1, 2, 3).bytes(16) == random_stream(1, 2, 3).bytes(16)
