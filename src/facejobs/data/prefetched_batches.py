"""Endless batches of training images, decoded ahead of use; what cannot be read is replaced, within limits.

Image n of batch k is decided by (seed, k) and the images alone. Hence a run that starts at step k yields, byte for
byte, what a run that started at 0 yields from step k on, with any number of threads; and the parts of a batch that
several workers decode are together the batch that one of them would have.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Generic, Self

from facejobs.data.batch_decoding import (
    BatchSource,
    BatchType,
    DecodingThreads,
    ImageKey,
    PlannedBatch,
    StretchResult,
    UnreadableImage,
)
from facejobs.data.errors import DataError

_NAMED_IN_ERROR = 10


class PrefetchedBatches(Generic[BatchType]):
    """What the input pipelines of all kinds of training share; a context manager that stops its threads when left.

    Every epoch goes through the images in an order of its own; images that fill no whole batch are left out of that
    epoch. An unreadable image is replaced by the next readable one of its batch, or of this worker's part of it, and
    noted in `skipped`. To be made in the process that uses it: threads do not survive a fork.
    """

    def __init__(self, source: BatchSource[BatchType], threads: int, prefetch: int) -> None:
        """Prepare batches of `source`, `prefetch` of them ahead of use.

        Raises DataError if there are fewer images than a batch holds.
        """
        size, slots = source.batch_size, source.slots
        if size < 1 or threads < 1 or prefetch < 1:
            raise ValueError(f"batch size {size}, threads {threads}, prefetch {prefetch}: each must be 1 or more")
        if not 0 <= source.seed < 1 << 64:
            raise ValueError(f"the seed {source.seed} is not in 0..2**64-1")
        if len(source) < size:
            raise DataError(
                f"{source.path}: holds {len(source)} images, fewer than one batch of {size}; "
                f"choose a batch size of at most {len(source)} or add images"
            )
        if not slots or slots.step != 1 or not 0 <= slots.start < slots.stop <= size:
            raise ValueError(f"{slots} are no slots of a batch of {size}")
        self._source = source
        self._thread_count = threads
        self._prefetch = prefetch
        self._running: DecodingThreads[BatchType] | None = None
        self._skipped: dict[ImageKey, str] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the images; an incomplete last one is dropped."""
        return len(self._source) // self._source.batch_size

    @property
    def skipped(self) -> Mapping[ImageKey, str]:
        """Every unreadable image in the batches yielded so far, and its cause (read-only, live)."""
        return MappingProxyType(self._skipped)

    def start(self, step: int) -> Iterator[BatchType]:
        """Return an endless iterator that begins with global step `step`; an iterator started before ends.

        A yielded batch may be used until the next one is asked for, then its arrays are written again. The iterator
        raises DataError, once the batch in question is asked for, for data that no training can use, or when more than
        one image and more than one in a hundred turned out unreadable.
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

    def __iter__(self) -> Iterator[BatchType]:
        return self.start(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _deliver(self, threads: DecodingThreads[BatchType]) -> Iterator[BatchType]:
        try:
            while (planned := threads.next_batch()) is not None:
                results = sorted((planned.results.get() for _ in planned.stretches), key=_first_slot)
                self._settle(planned, results)
                yield planned.batch
                threads.release(planned.batch)
        finally:
            threads.close()

    def _settle(self, planned: PlannedBatch[BatchType], results: list[StretchResult]) -> None:
        """Raise what the threads raised, else replace the unreadable images."""
        for result in results:
            if result.failure is not None:
                raise result.failure
        unreadable = [image for result in results for image in result.unreadable]
        if unreadable:
            self._skipped.update((image.key, image.reason) for image in unreadable)
            self._refuse_too_many()
            self._replace(planned, unreadable)

    def _refuse_too_many(self) -> None:
        source = self._source
        if len(self._skipped) <= max(1, len(source) // 100):
            return
        causes = list(self._skipped.items())[:_NAMED_IN_ERROR]
        named = [f"{source.describe(key)} ({reason})" for key, reason in causes]
        if len(self._skipped) > len(named):
            named.append("…")
        raise DataError(
            f"{source.path}: too many unreadable images: {len(self._skipped)} of {len(source)} so far, at most 1 in "
            f"100 is skipped: {'; '.join(named)}. Run `facejobs data check {source.folder}` for the full list"
        )

    def _replace(self, planned: PlannedBatch[BatchType], unreadable: list[UnreadableImage]) -> None:
        source = self._source
        bad = {image.slot for image in unreadable}
        size = len(source.slots)
        if len(bad) == size:
            raise DataError(
                f"{source.path}: none of the {size} images of step {planned.step} can be read, first "
                f"{source.describe(unreadable[0].key)} ({unreadable[0].reason}); choose a larger batch size or mend "
                "the images"
            )
        for slot in bad:
            substitute = next(other % size for other in range(slot + 1, slot + size) if other % size not in bad)
            source.copy_image(planned.batch, substitute, slot)


def _first_slot(result: StretchResult) -> int:
    return result.first
