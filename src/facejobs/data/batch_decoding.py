"""Threads that decode the batches of a training run, in order, some batches ahead of whoever uses them.

One lock guards what comes next: a thread that holds it takes the next stretch of images, and plans the next batch
when the stretch is the first of one. Planning waits for a free set of arrays, so the threads never run further ahead
than there are arrays. What a batch holds depends on its plan only, never on which thread decoded what or when.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

BatchType = TypeVar("BatchType")
ImageKey = int | str
"""What a data set calls an image: its record number, or its path."""


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """An image that could not be decoded, and where in its batch it belongs."""

    slot: int
    key: ImageKey
    reason: str


DecodeStretch = Callable[[range], list[UnreadableImage]]
"""Fills some slots of a batch and returns those that could not be. Called in several threads at once."""


class BatchSource(Protocol[BatchType]):
    """All that decides what the batches of a run hold."""

    path: Path
    """Where the images come from, for messages."""
    folder: Path
    """What `facejobs data check` is to be given."""
    batch_size: int
    seed: int
    """0..2**64-1."""
    slots: range
    """Which slots of each batch are decoded here; other workers have the others."""
    shortest_stretch: int
    """Images a thread takes at least at once; has no influence on what a batch holds."""

    def __len__(self) -> int:
        """How many images there are."""

    def empty_batch(self) -> BatchType:
        """Allocate the arrays of this worker's part of a batch."""

    def plan(self, step: int, batch: BatchType) -> DecodeStretch:
        """Decide what `batch` will hold as number `step` of the whole run. Called in one thread at a time."""

    def copy_image(self, batch: BatchType, slot: int, destination: int) -> None:
        """Put the image of one slot, and all that is known of it, into another as well."""

    def describe(self, key: ImageKey) -> str:
        """Name an image in a message."""


@dataclass(slots=True)
class StretchResult:
    """What became of one stretch: its unreadable images, or the exception that ended it."""

    unreadable: list[UnreadableImage] = field(default_factory=list)
    failure: BaseException | None = None
    first: int = 0


@dataclass(slots=True)
class PlannedBatch(Generic[BatchType]):
    """A batch being decoded. `results` receives one entry for each of its `stretches` (of slots)."""

    batch: BatchType
    step: int
    decode: DecodeStretch
    stretches: list[range]
    results: SimpleQueue[StretchResult]


class DecodingThreads(Generic[BatchType]):
    """The threads of one pass that starts at a given step and never ends by itself."""

    def __init__(self, source: BatchSource[BatchType], step: int, threads: int, prefetch: int) -> None:
        """Start `threads` threads that keep `prefetch` batches ready besides the one in use."""
        self._source = source
        count = len(source.slots)
        # Locking and waking threads stays cheap if each takes several images at once.
        stretch = max(source.shortest_stretch, -(-count // threads))
        self._stretches = [range(first, min(first + stretch, count)) for first in range(0, count, stretch)]
        self._free: SimpleQueue[BatchType | None] = SimpleQueue()
        self._planned: SimpleQueue[PlannedBatch[BatchType] | BaseException | None] = SimpleQueue()
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

    def next_batch(self) -> PlannedBatch[BatchType] | None:
        """Wait for the next planned batch, in order; None once closed. Raises what planning raised."""
        if self._stopping:
            return None
        planned = self._planned.get()
        if isinstance(planned, BaseException):
            raise planned
        return planned

    def release(self, batch: BatchType) -> None:
        """Give the arrays of a batch back, to be written again."""
        self._free.put(batch)

    def close(self) -> None:
        """Stop and join all threads. They finish the stretch at hand first. May be called again."""
        self._stopping = True
        self._free.put(None)
        for thread in self._threads:
            thread.join()
        self._planned.put(None)

    def _plan_stretches(self, step: int) -> Iterator[tuple[PlannedBatch[BatchType], range]]:
        while (batch := self._free.get()) is not None:
            planned = PlannedBatch(batch, step, self._source.plan(step, batch), self._stretches, SimpleQueue())
            self._planned.put(planned)
            for slots in planned.stretches:
                if self._stopping:
                    return
                yield planned, slots
            step += 1

    def _take(self) -> tuple[PlannedBatch[BatchType], range] | None:
        with self._lock:
            try:
                return next(self._work, None)
            except BaseException as error:
                self._planned.put(error)
                return None

    def _decode(self) -> None:
        while (work := self._take()) is not None:
            planned, slots = work
            try:
                result = StretchResult(planned.decode(slots), first=slots.start)
            except BaseException as error:
                result = StretchResult(failure=error, first=slots.start)
            planned.results.put(result)
