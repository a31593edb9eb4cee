"""What the training loop asks of an engine. Everything that crosses this line is numpy."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

BatchType = TypeVar("BatchType", contravariant=True)
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StepOutcome:
    """One step's numbers: the mean loss, the global gradient norm before clipping, other measures by name.

    Where the loss or the norm is not finite, the weights are as before the step.
    """

    loss: float
    gradient_norm: float
    measures: dict[str, float]


class Engine(Protocol[BatchType]):
    """A net with its head and optimiser."""

    def step(self, batch: BatchType, step: int, lr: float, progress: float) -> StepOutcome:
        """Forward, backward and update on one batch; `progress` is the share of the run that is done (0..1)."""

    def gradient_norms(self) -> dict[str, float]:
        """Norm of each parameter's gradient in the last step."""

    def state(self) -> Arrays:
        """Every array a bit-identical continuation needs: weights, running statistics, head, optimiser."""

    def load_state(self, arrays: Arrays) -> None:
        """Go on from `state()`; raises CheckpointError where names or shapes differ."""

    def share_state(self) -> None:
        """Take over the first worker's state, bit for bit. Called by every worker of several, by none that is alone."""


class BatchSource(Protocol[BatchType]):  # type: ignore[misc]
    """Batches that can start at any step exactly."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the data."""

    def start(self, step: int) -> Any:
        """Endless iterator of batches from global `step` on."""
