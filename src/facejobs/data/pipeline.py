"""The input pipeline of recogniser training: seeded, threaded, and able to start at any batch of any epoch.

Image n of batch k is decided by (seed, k) and the records alone. Hence a run that starts at step k yields, byte for
byte, what a run that started at 0 yields from step k on, with any number of threads; and the parts of a batch that
several workers decode are together the batch that one of them would have.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Self

from facejobs.data.augmentation import Augmentation
from facejobs.data.batch_decoding import (
    Batch,
    BatchSource,
    DecodingThreads,
    ImageRecords,
    PlannedBatch,
    StretchResult,
    UnreadableImage,
)
from facejobs.data.errors import DataError

__all__ = ["Augmentation", "Batch", "TrainingBatches"]

_NAMED_IN_ERROR = 10
_SHORTEST_STRETCH = 32
"""Images a thread takes at least at once, so that locking and waking threads stays cheap."""


class TrainingBatches:
    """Endless batches of augmented training images; a context manager that stops its threads when left.

    Every epoch goes through the images in an order of its own; images that fill no whole batch are left out of that
    epoch. An unreadable image is replaced by the next readable one of its batch, or of this worker's part of it, and
    noted in `skipped`. To be made in the process that uses it: threads do not survive a fork.
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
        if batch_size < 1 or threads < 1 or prefetch < 1:
            raise ValueError(f"batch size {batch_size}, threads {threads}, prefetch {prefetch}: each must be 1 or more")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"the seed {seed} is not in 0..2**64-1")
        if augmentation.shift >= min(records.image_size):
            raise ValueError(f"a shift of {augmentation.shift} pixels moves all of a {records.image_size} image away")
        if len(records) < batch_size:
            raise DataError(
                f"{records.path}: holds {len(records)} images, fewer than one batch of {batch_size}; "
                f"choose a batch size of at most {len(records)} or add images"
            )
        slots = range(batch_size) if slots is None else slots
        if not slots or slots.step != 1 or not 0 <= slots.start < slots.stop <= batch_size:
            raise ValueError(f"{slots} are no slots of a batch of {batch_size}")
        stretch = max(_SHORTEST_STRETCH, -(-len(slots) // threads))
        self._source = BatchSource(records, batch_size, seed, augmentation, slots, stretch)
        self._thread_count = threads
        self._prefetch = prefetch
        self._running: DecodingThreads | None = None
        self._skipped: dict[int, str] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the images; an incomplete last one is dropped."""
        return self._source.steps_per_epoch

    @property
    def skipped(self) -> Mapping[int, str]:
        """Record number and cause of every unreadable image in the batches yielded so far (read-only, live)."""
        return MappingProxyType(self._skipped)

    def start(self, step: int) -> Iterator[Batch]:
        """Return an endless iterator that begins with global step `step`; an iterator started before ends.

        A yielded batch may be used until the next one is asked for, then its arrays are written again. The iterator
        raises DataError, once the batch in question is asked for, for a label that `property` does not announce, or
        when more than one record and more than one in a hundred turned out unreadable.
        """
        if step < 0:
            raise ValueError(f"step {step} is negative")
        self.close()
        self._running = DecodingThreads(self._source, step, self._thread_count, self._prefetch)
        return self._deliver(self._running)

    def close(self) -> None:
        """Stop and join the threads. May be called again."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def __iter__(self) -> Iterator[Batch]:
        return self.start(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _deliver(self, threads: DecodingThreads) -> Iterator[Batch]:
        try:
            while (planned := threads.next_batch()) is not None:
                results = sorted((planned.results.get() for _ in planned.stretches), key=_first_slot)
                self._settle(planned, results)
                yield planned.batch
                threads.release(planned.batch)
        finally:
            threads.close()

    def _settle(self, planned: PlannedBatch, results: list[StretchResult]) -> None:
        """Raise what the threads raised, else replace the unreadable images."""
        for result in results:
            if result.failure is not None:
                raise result.failure
        unreadable = [image for result in results for image in result.unreadable]
        if unreadable:
            self._skipped.update((image.key, image.reason) for image in unreadable)
            self._refuse_too_many()
            self._replace(planned.batch, unreadable)

    def _refuse_too_many(self) -> None:
        records = self._source.records
        if len(self._skipped) <= max(1, len(records) // 100):
            return
        named = [f"record {key} ({reason})" for key, reason in list(self._skipped.items())[:_NAMED_IN_ERROR]]
        if len(self._skipped) > len(named):
            named.append("…")
        raise DataError(
            f"{records.path}: too many unreadable images: {len(self._skipped)} of {len(records)} so far, at most 1 in "
            f"100 is skipped: {'; '.join(named)}. Run `facejobs data check {records.path.parent}` for the full list"
        )

    def _replace(self, batch: Batch, unreadable: list[UnreadableImage]) -> None:
        bad = {image.slot for image in unreadable}
        size = len(batch.keys)
        if len(bad) == size:
            raise DataError(
                f"{self._source.records.path}: none of the {size} images of step {batch.step} can be read, first "
                f"record {unreadable[0].key} ({unreadable[0].reason}); choose a larger batch size or mend the file"
            )
        for slot in bad:
            substitute = next(other % size for other in range(slot + 1, slot + size) if other % size not in bad)
            batch.images[slot] = batch.images[substitute]
            batch.labels[slot] = batch.labels[substitute]
            batch.keys[slot] = batch.keys[substitute]


def _first_slot(result: StretchResult) -> int:
    return result.first
