"""In which order an epoch goes through the images: a permutation that depends on the seed and the epoch alone."""

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.uint32]

ORDER_STREAM = 0
AUGMENTATION_STREAM = 1


def random_stream(seed: int, stream: int, index: int) -> np.random.Generator:
    """Return the generator of one (seed, stream, index), independent of all others and of any call before.

    Philox 4x64 is counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the seed
    and the stream are its key and the index is the highest word of its counter, so that sequences never overlap.
    """
    key = np.array([seed, stream], np.uint64)
    counter = np.array([0, 0, 0, index], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


class EpochOrder:
    """The permutation of `count` images for any epoch. Keeps the one used last (4 bytes an image)."""

    def __init__(self, count: int, seed: int) -> None:
        """`seed` is 0..2**64-1."""
        self.count = count
        self.seed = seed
        self._epoch = -1
        self._order = np.empty(0, np.uint32)

    def positions(self, epoch: int, first: int, count: int) -> Positions:
        """Return positions number `first` to `first + count - 1` of the order of `epoch`."""
        if epoch != self._epoch:
            self._order = random_stream(self.seed, ORDER_STREAM, epoch).permutation(
                np.arange(self.count, dtype=np.uint32)
            )
            self._epoch = epoch
        return self._order[first : first + count]

    def batch(self, step: int, batch_size: int) -> tuple[int, Positions]:
        """Return the epoch that global step `step` is in, and the positions of its batch."""
        epoch, place_in_epoch = divmod(step, self.count // batch_size)
        return epoch, self.positions(epoch, place_in_epoch * batch_size, batch_size)
