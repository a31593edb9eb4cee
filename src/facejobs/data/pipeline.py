"""The input pipeline of recogniser training: seeded, threaded, and able to start at any batch of any epoch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facejobs.data.augmentation import Augmentation, AugmentationDraws, place
from facejobs.data.batch_decoding import DecodeStretch, ImageKey, UnreadableImage
from facejobs.data.decode import ImageArray, decode_into
from facejobs.data.epoch_order import EpochOrder
from facejobs.data.errors import DataError
from facejobs.data.face_records import FaceRecord
from facejobs.data.prefetched_batches import PrefetchedBatches
from facejobs.data.recordio import RecordError

__all__ = ["Augmentation", "Batch", "TrainingBatches"]


class ImageRecords(Protocol):
    """What the pipeline needs of a record file; `FaceRecordFile` has it."""

    path: Path
    num_classes: int
    image_size: tuple[int, int]

    def __len__(self) -> int: ...
    def image(self, position: int) -> FaceRecord: ...
    def key_at(self, position: int) -> int: ...


@dataclass
class Batch:
    """One training batch. Its arrays are reused: they are valid until the next batch is asked for."""

    step: int
    epoch: int
    images: ImageArray
    """uint8 (N, H, W, 3) RGB."""
    labels: npt.NDArray[np.int32]
    """(N,) identities, 0..num_classes-1."""
    gain: npt.NDArray[np.float32]
    """(N, 3) colour jitter; the network's input is (images - 127.5) / 128 * gain + bias."""
    bias: npt.NDArray[np.float32]
    keys: npt.NDArray[np.int64]
    """(N,) record numbers."""


class LabelOutOfRangeError(DataError):
    """An image of an identity that the data set does not announce; the loss would have no weights for it."""

    def __init__(self, record: FaceRecord, records: ImageRecords) -> None:
        count, folder = records.num_classes, records.path.parent
        super().__init__(
            f"{records.path}: record {record.key} at byte {record.offset} has label {record.label}, but "
            f"{folder / 'property'} announces {count} identities (labels 0 to {count - 1}); "
            f"`facejobs data check {folder}` lists all such records"
        )


class TrainingBatches(PrefetchedBatches[Batch]):
    """Endless batches of augmented aligned faces.

    The iterator raises DataError also for a label that `property` does not announce.
    """

    def __init__(
        self,
        records: ImageRecords,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        threads: int,
        prefetch: int = 3,
        slots: range | None = None,
    ) -> None:
        """Prepare batches of `batch_size` images of `records` (a FaceRecordFile), `prefetch` of them ahead of use.

        Of several workers, each names the `slots` that are its part of every batch: it decodes and yields those only.
        `seed` is 0..2**64-1. Raises DataError if there are fewer images than a batch holds.
        """
        if augmentation.shift >= min(records.image_size):
            raise ValueError(f"a shift of {augmentation.shift} pixels moves all of a {records.image_size} image away")
        slots = range(batch_size) if slots is None else slots
        super().__init__(_RecordSource(records, batch_size, seed, augmentation, slots), threads, prefetch)


class _RecordSource:
    """Batches of a record file."""

    shortest_stretch = 32

    def __init__(
        self, records: ImageRecords, batch_size: int, seed: int, augmentation: Augmentation, slots: range
    ) -> None:
        self.path = records.path
        self.folder = records.path.parent
        self.batch_size = batch_size
        self.seed = seed
        self.slots = slots
        self._records = records
        self._augmentation = augmentation
        self._order = EpochOrder(len(records), seed)

    def __len__(self) -> int:
        return len(self._records)

    def empty_batch(self) -> Batch:
        size = len(self.slots)
        return Batch(
            step=-1,
            epoch=-1,
            images=np.zeros((size, *self._records.image_size, 3), np.uint8),
            labels=np.zeros(size, np.int32),
            gain=np.ones((size, 3), np.float32),
            bias=np.zeros((size, 3), np.float32),
            keys=np.zeros(size, np.int64),
        )

    def plan(self, step: int, batch: Batch) -> DecodeStretch:
        batch.step = step
        batch.epoch, positions = self._order.batch(step, self.batch_size)
        draws = self._augmentation.draw(self.seed, step, self.batch_size)
        here = slice(self.slots.start, self.slots.stop)
        batch.gain[:] = draws.gain[here]
        batch.bias[:] = draws.bias[here]
        return _PlannedFaces(self._records, batch, positions[here].tolist(), draws, self.slots.start).decode

    def copy_image(self, batch: Batch, slot: int, destination: int) -> None:
        batch.images[destination] = batch.images[slot]
        batch.labels[destination] = batch.labels[slot]
        batch.keys[destination] = batch.keys[slot]

    def describe(self, key: ImageKey) -> str:
        return f"record {key}"


class _PlannedFaces:
    """What a batch is to hold."""

    def __init__(
        self, records: ImageRecords, batch: Batch, positions: list[int], draws: AugmentationDraws, first: int
    ) -> None:
        self._records = records
        self._batch = batch
        self._positions = positions
        self._mirror = draws.mirror[first : first + len(positions)].tolist()
        self._shift = draws.shift[first : first + len(positions)].tolist()

    def decode(self, slots: range) -> list[UnreadableImage]:
        """Fill `slots` of the batch, noting the images that cannot be read.

        All records are looked up before the first is decoded: either code runs twice as fast when the other has not
        just pushed it out of the processor's caches.
        """
        stretch = slice(slots.start, slots.stop)
        found = [_look_up(self._records, position) for position in self._positions[stretch]]
        scratch = np.empty(self._batch.images.shape[1:], np.uint8)
        unreadable = []
        for slot, record in zip(slots, found, strict=True):
            problem = record if isinstance(record, str) else self._fill_slot(record, slot, scratch)
            if problem is not None:
                unreadable.append(UnreadableImage(slot, self._records.key_at(self._positions[slot]), problem))
        self._batch.labels[stretch] = [-1 if isinstance(record, str) else record.label for record in found]
        self._batch.keys[stretch] = [-1 if isinstance(record, str) else record.key for record in found]
        return unreadable

    def _fill_slot(self, record: FaceRecord, slot: int, scratch: ImageArray) -> str | None:
        """Write one image; return why it cannot be decoded, if it cannot."""
        image = self._batch.images[slot]
        mirror, (down, right) = self._mirror[slot], self._shift[slot]
        try:
            if mirror or down or right:
                decode_into(record.image, scratch)
                place(scratch, mirror, down, right, image)
            else:
                decode_into(record.image, image)
        except DataError as error:
            return f"byte {record.offset}: {error}"
        except Exception as error:
            error.add_note(f"while decoding record {record.key} at byte {record.offset}")
            raise
        return None


def _look_up(records: ImageRecords, position: int) -> FaceRecord | str:
    """Return the record of an image, or why it cannot be read."""
    try:
        record = records.image(position)
    except RecordError as error:
        return f"byte {error.offset}: {error.problem}"
    except DataError as error:
        return str(error)
    except Exception as error:
        error.add_note(f"while reading record {records.key_at(position)} of {records.path}")
        raise
    if not 0 <= record.label < records.num_classes:
        raise LabelOutOfRangeError(record, records)
    return record
