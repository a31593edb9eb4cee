"""What the training loop and an engine know of the workers they are among; a single process is a group of one."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from facejobs.training.distributed.hang_watch import HangWatch, dump_stacks, leave
from facejobs.training.errors import HangError
from facejobs.training.stop_signal import StopRequestedError, StopSignal

Phase = Literal["preparing", "computing", "exchanging", "evaluating", "saving", "waiting"]


class WorkerGroup(ABC):
    """One worker's view of all of them: `rank` 0 is the first, which alone writes; there are `size` workers."""

    rank = 0
    size = 1
    _stop: StopSignal | None = None

    def heed(self, stop: StopSignal) -> None:
        """From now on a stop that is requested of this worker stops all of them."""
        self._stop = stop

    @property
    def stop_requested(self) -> bool:
        """Whether a stop was requested of this worker."""
        return self._stop is not None and self._stop.requested

    def share(self, batch_size: int) -> range:
        """Which slots of each joint batch are this worker's."""
        share = batch_size // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    @abstractmethod
    def enter(self, phase: Phase, step: int | None = None) -> None:
        """Say what this worker is doing, in step number `step` from now on."""

    @abstractmethod
    def progressed(self) -> None:
        """Say that a step, or a batch of an evaluation, is done: nothing hangs."""

    @abstractmethod
    def before_step(self) -> None:
        """Called once before each step."""

    @abstractmethod
    def stops_after_step(self) -> bool:
        """Whether all workers stop after this step, because any of them was asked to; called once after each step."""

    @abstractmethod
    def check(self) -> None:
        """Called by the first worker while it evaluates; raises StopRequestedError if a stop was requested of any."""

    @abstractmethod
    def broadcast(self, value: Any) -> Any:
        """The first worker's `value`, JSON-ready, for all of them; the others' is ignored.

        Raises StopRequestedError if the first worker called `broadcast_stop` instead.
        """

    @abstractmethod
    def broadcast_stop(self) -> None:
        """Called by the first worker, in place of `broadcast`, when it stops."""

    @abstractmethod
    def release(self) -> None:
        """Called when the last step is made: from now on the first worker needs no other, and nothing can hang."""


class Alone(WorkerGroup):
    """The group of a training in one process. With `hang_seconds` no progress for so long ends it."""

    def __init__(self, hang_seconds: float | None = None) -> None:
        self._watch = HangWatch(hang_seconds, self._give_up) if hang_seconds else None
        self._phase: Phase = "preparing"
        self._step = 0

    def enter(self, phase: Phase, step: int | None = None) -> None:
        self._phase = phase
        self._step = self._step if step is None else step

    def progressed(self) -> None:
        if self._watch is not None:
            self._watch.progressed()

    def before_step(self) -> None:
        pass

    def stops_after_step(self) -> bool:
        return self.stop_requested

    def check(self) -> None:
        self.progressed()
        if self.stop_requested:
            raise StopRequestedError

    def broadcast(self, value: Any) -> Any:
        return value

    def broadcast_stop(self) -> None:
        pass

    def release(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def _give_up(self, seconds: float) -> None:
        dump_stacks("this process")
        error = HangError(
            f"no step for {seconds / 60:g} minutes: training hangs {self._phase} at step {self._step}; the stacks of "
            "all threads are above. The same command goes on from the last checkpoint"
        )
        leave(error.exit_code, str(error))
