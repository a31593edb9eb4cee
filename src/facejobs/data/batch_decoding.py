"""Threads that decode the batches of a training run, in order, some batches ahead of whoever uses them.

One lock guards what comes next: a thread that holds it takes the next stretch of images, and plans the next batch
when the stretch is the first of one. Planning waits for a free set of arrays, so the threads never run further ahead
than there are arrays. What a batch holds depends on its plan only, never on which thread decoded what or when.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facejobs.data.augmentation import Augmentation, place
from facejobs.data.decode import ImageArray, decode_into
from facejobs.data.epoch_order import EpochOrder
from facejobs.data.errors import DataError
from facejobs.data.face_records import FaceRecord
from facejobs.data.recordio import RecordError


class ImageRecords(Protocol):
    """What the threads need of a record file; `FaceRecordFile` has it."""

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


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """An image that could not be decoded, and where in its batch it belongs."""

    slot: int
    key: int
    reason: str


@dataclass(slots=True)
class StretchResult:
    """What became of one stretch: its unreadable images, or the exception that ended it."""

    first: int
    unreadable: list[UnreadableImage] = field(default_factory=list)
    failure: BaseException | None = None


@dataclass(slots=True)
class PlannedBatch:
    """A batch being decoded. `results` receives one entry for each of its `stretches` (of slots)."""

    batch: Batch
    positions: list[int]
    mirror: list[bool]
    shift: list[list[int]]
    stretches: list[range]
    results: SimpleQueue[StretchResult]


@dataclass(frozen=True, slots=True)
class BatchSource:
    """All that decides what a batch holds."""

    records: ImageRecords
    batch_size: int
    seed: int
    augmentation: Augmentation
    slots: range
    """Which slots of each batch are decoded here; other workers have the others."""
    stretch: int
    """Images a thread takes at once; has no influence on what a batch holds."""

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the images."""
        return len(self.records) // self.batch_size

    def empty_batch(self) -> Batch:
        """Allocate the arrays of this worker's part of a batch."""
        size = len(self.slots)
        return Batch(
            step=-1,
            epoch=-1,
            images=np.zeros((size, *self.records.image_size, 3), np.uint8),
            labels=np.zeros(size, np.int32),
            gain=np.ones((size, 3), np.float32),
            bias=np.zeros((size, 3), np.float32),
            keys=np.zeros(size, np.int64),
        )

    def plan(self, step: int, batch: Batch, order: EpochOrder) -> PlannedBatch:
        """Decide what `batch` will hold as number `step` of the whole run."""
        epoch, place_in_epoch = divmod(step, self.steps_per_epoch)
        positions = order.positions(epoch, place_in_epoch * self.batch_size, self.batch_size)
        draws = self.augmentation.draw(self.seed, step, self.batch_size)
        batch.step, batch.epoch = step, epoch
        here = slice(self.slots.start, self.slots.stop)
        batch.gain[:] = draws.gain[here]
        batch.bias[:] = draws.bias[here]
        count = len(self.slots)
        stretches = [range(first, min(first + self.stretch, count)) for first in range(0, count, self.stretch)]
        return PlannedBatch(
            batch,
            positions[here].tolist(),
            draws.mirror[here].tolist(),
            draws.shift[here].tolist(),
            stretches,
            SimpleQueue(),
        )


class DecodingThreads:
    """The threads of one pass that starts at a given step and never ends by itself."""

    def __init__(self, source: BatchSource, step: int, threads: int, prefetch: int) -> None:
        """Start `threads` threads that keep `prefetch` batches ready besides the one in use."""
        self._source = source
        self._free: SimpleQueue[Batch | None] = SimpleQueue()
        self._planned: SimpleQueue[PlannedBatch | BaseException | None] = SimpleQueue()
        self._stopping = False
        self._lock = threading.Lock()
        self._work = self._plan_stretches(step)
        for _ in range(prefetch + 1):
            self._free.put(source.empty_batch())
        self._threads = [
            threading.Thread(target=self._decode, name=f"decode-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def next_batch(self) -> PlannedBatch | None:
        """Wait for the next planned batch, in order; None once closed. Raises what planning raised."""
        if self._stopping:
            return None
        planned = self._planned.get()
        if isinstance(planned, BaseException):
            raise planned
        return planned

    def release(self, batch: Batch) -> None:
        """Give the arrays of a batch back, to be written again."""
        self._free.put(batch)

    def close(self) -> None:
        """Stop and join all threads. They finish the stretch at hand, some milliseconds. May be called again."""
        self._stopping = True
        self._free.put(None)
        for thread in self._threads:
            thread.join()
        self._planned.put(None)

    def _plan_stretches(self, step: int) -> Iterator[tuple[PlannedBatch, range]]:
        source = self._source
        order = EpochOrder(len(source.records), source.seed)
        while (batch := self._free.get()) is not None:
            planned = source.plan(step, batch, order)
            self._planned.put(planned)
            for slots in planned.stretches:
                if self._stopping:
                    return
                yield planned, slots
            step += 1

    def _take(self) -> tuple[PlannedBatch, range] | None:
        with self._lock:
            try:
                return next(self._work, None)
            except BaseException as error:
                self._planned.put(error)
                return None

    def _decode(self) -> None:
        scratch = np.empty((*self._source.records.image_size, 3), np.uint8)
        while (work := self._take()) is not None:
            planned, slots = work
            result = StretchResult(slots.start)
            try:
                _decode_stretch(self._source.records, planned, slots, scratch, result.unreadable)
            except BaseException as error:
                result.failure = error
            planned.results.put(result)


def _decode_stretch(
    records: ImageRecords,
    planned: PlannedBatch,
    slots: range,
    scratch: ImageArray,
    unreadable: list[UnreadableImage],
) -> None:
    """Fill `slots` of a batch, noting the images that cannot be read.

    All records are looked up before the first is decoded: either code runs twice as fast when the other has not just
    pushed it out of the processor's caches.
    """
    batch, positions = planned.batch, planned.positions
    stretch = slice(slots.start, slots.stop)
    found = [_look_up(records, position) for position in positions[stretch]]
    for slot, record in zip(slots, found, strict=True):
        problem = record if isinstance(record, str) else _fill_slot(record, planned, slot, scratch)
        if problem is not None:
            unreadable.append(UnreadableImage(slot, records.key_at(positions[slot]), problem))
    batch.labels[stretch] = [-1 if isinstance(record, str) else record.label for record in found]
    batch.keys[stretch] = [-1 if isinstance(record, str) else record.key for record in found]


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


def _fill_slot(record: FaceRecord, planned: PlannedBatch, slot: int, scratch: ImageArray) -> str | None:
    """Write one image; return why it cannot be decoded, if it cannot."""
    image = planned.batch.images[slot]
    mirror, (down, right) = planned.mirror[slot], planned.shift[slot]
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
