"""The training loop, the same for every task and engine: step, journal, evaluate, checkpoint, stop."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Generic

from facejobs.data.model_description import Metric
from facejobs.training.checkpoints import Checkpoint
from facejobs.training.distributed.group import Alone, WorkerGroup
from facejobs.training.divergence import DivergenceWatch, write_report
from facejobs.training.engine import BatchSource, BatchType, Engine, StepOutcome
from facejobs.training.errors import DivergedError
from facejobs.training.journal import Journal, MetricLines, Unwritten
from facejobs.training.parameters import Parameters
from facejobs.training.progress import Progress
from facejobs.training.run_folder import RunFolder
from facejobs.training.schedules import Schedule
from facejobs.training.stop_signal import StopRequestedError, StopSignal

log = logging.getLogger(__name__)

_JOURNAL_EVERY = 10


@dataclass
class Standing:
    """What the evaluations have said so far."""

    best: float | None = None
    best_step: int | None = None
    without_gain: int = 0
    evaluated_step: int = 0


@dataclass(frozen=True)
class LoopResult:
    """How a run of the loop ended: at which step, and whether by a signal."""

    step: int
    stopped_by_signal: bool


@dataclass
class _Window:
    """Sums since the last journal line."""

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    totals: dict[str, float] = field(default_factory=dict)

    def add(self, outcome: StepOutcome) -> None:
        self.steps += 1
        for name, value in {"loss": outcome.loss, "gradient_norm": outcome.gradient_norm, **outcome.measures}.items():
            self.totals[name] = self.totals.get(name, 0.0) + value

    def means(self, batch_size: int) -> dict[str, float]:
        seconds = max(1e-9, time.monotonic() - self.started)
        means = {name: total / self.steps for name, total in self.totals.items()}
        return {**means, "images_per_second": self.steps * batch_size / seconds}


Evaluate = Callable[[Callable[[], None], Progress], list[Metric]]


class TrainingLoop(Generic[BatchType]):
    """Runs an engine over batches until the last step, a stop signal, an early stop or a divergence.

    Of several workers each runs one; all make the same steps, and the first alone has a `folder`, writes and evaluates.
    `evaluate` returns metrics whose first one decides which checkpoint is the best (higher is better); it calls its
    first argument now and then, so that a stop signal need not wait for a long evaluation, and shows on the second one
    how far it is.
    """

    def __init__(
        self,
        engine: Engine[BatchType],
        batches: BatchSource[BatchType],
        parameters: Parameters,
        folder: RunFolder | None,
        evaluate: Evaluate,
        describe: Callable[[Any], dict[str, Any]],
        group: WorkerGroup | None = None,
    ) -> None:
        self._engine = engine
        self._batches = batches
        self._parameters = parameters
        self._folder = folder
        self._evaluate = evaluate
        self._describe = describe
        self._group = group or Alone()
        self.total_steps = total_steps(parameters, batches.steps_per_epoch)
        self._schedule = Schedule(parameters, self.total_steps)
        self._watch = DivergenceWatch()
        self.standing = Standing()
        self._finished_early = False
        self._saved = 0

    def resume(self) -> int:
        """Load the newest whole checkpoint, if there is one; returns the step to go on from (0 for a new run).

        Other workers get it from the first one.
        """
        checkpoint = self._last_checkpoint()
        if checkpoint is not None:
            self._engine.load_state(checkpoint.arrays)
        state = self._group.broadcast(checkpoint and checkpoint.state)
        if self._group.size > 1:
            self._engine.share_state()
        if state is None:
            return 0
        self._schedule.load_state(state["schedule"])
        self._watch.load_state(state["loss"])
        self.standing = Standing(**state["standing"])
        self._finished_early = state["finished_early"]
        return int(state["step"])

    def _last_checkpoint(self) -> Checkpoint | None:
        if self._folder is None:
            return None
        checkpoint, warnings = self._folder.checkpoints.load_last()
        for warning in warnings:
            log.warning("%s; going back to an older one", warning)
        return checkpoint

    def run(self) -> LoopResult:
        """Train from the newest checkpoint, or from the start, to the end. Raises DivergedError."""
        self._group.progressed()
        step = self.resume()
        if step:
            log.info("resuming at step %d of %d", step, self.total_steps)
        journal = Journal(self._folder.journal, step) if self._folder else Unwritten()
        try:
            with StopSignal() as stop, Progress(self.total_steps, step) as progress:
                self._group.heed(stop)
                return self._steps(step, journal, progress)
        except StopRequestedError:
            return LoopResult(self._saved, stopped_by_signal=True)
        finally:
            self._group.release()
            journal.close()

    def _steps(self, step: int, journal: MetricLines, progress: Progress) -> LoopResult:
        parameters, window = self._parameters, _Window()
        batches = self._batches.start(step)
        if self._evaluation_due(step):
            self._observe(step, journal, progress)
        while step < self.total_steps and not self._finished_early:
            self._group.before_step()
            self._group.enter("computing", step)
            batch = next(batches)
            lr = self._schedule.rate(step)
            outcome = self._engine.step(batch, step, lr, step / self.total_steps)
            self._check(outcome, batch, step, lr)
            step += 1
            self._group.progressed()
            window.add(outcome)
            epoch = self._epoch(step)
            if step % _JOURNAL_EVERY == 0 or step == self.total_steps:
                means = window.means(parameters.batch_size)
                journal.write(step, epoch, {**means, "lr": lr})
                progress.report(step, epoch, lr, means)
                window = _Window()
            progress.advance(step)
            all_stop = self._group.stops_after_step()
            if self._evaluation_due(step):
                self._observe(step, journal, progress)
            if all_stop and step < self.total_steps:
                self._save(step)
                return LoopResult(step, stopped_by_signal=True)
            if step % parameters.checkpoint_every == 0:
                self._save(step)
        if self.standing.evaluated_step < step:
            self._observe(step, journal, progress)
        return LoopResult(step, stopped_by_signal=False)

    def _check(self, outcome: StepOutcome, batch: Any, step: int, lr: float) -> None:
        reason = self._watch.verdict(outcome)
        if reason is None:
            return
        if self._folder is None:
            # The first worker has the same numbers: it writes the report, and then ends all.
            self._group.broadcast(None)
            raise DivergedError(f"training diverged at step {step}: {reason}; the first worker's log says more")
        steps = self._folder.checkpoints.steps()
        report = self._folder.divergence_report
        facts = {
            "reason": reason,
            "step": step,
            "lr": lr,
            "loss": outcome.loss,
            "gradient_norm": outcome.gradient_norm,
            "gradient_norms": self._engine.gradient_norms(),
            "recent_losses": list(self._watch.recent),
            "batch": self._describe(batch),
            "last_good_checkpoint_step": steps[-1] if steps else None,
        }
        write_report(report, facts)
        kept = f"the checkpoint of step {steps[-1]} is kept" if steps else "there was no checkpoint yet"
        raise DivergedError(
            f"training diverged at step {step}: {reason}; {kept}. {report} has the batch, the rate and the gradient "
            "norms. Try a smaller --lr, more --warmup-steps or a smaller --gradient-clip, into a new output folder"
        )

    def _evaluation_due(self, step: int) -> bool:
        every = self._parameters.eval_every
        return bool(every) and step > 0 and step % every == 0 and self.standing.evaluated_step < step

    def _observe(self, step: int, journal: MetricLines, progress: Progress) -> None:
        # Saved first: whatever ends the process during a long evaluation, the run goes on by evaluating again.
        self._save(step)
        watched: float | None = self._group.broadcast(self._measure(step, journal, progress))
        self.standing.evaluated_step = step
        if watched is None:
            return
        self._schedule.observe(watched)
        if self.standing.best is None or watched > self.standing.best:
            self.standing = Standing(best=watched, best_step=step, evaluated_step=step)
            self._save(step, best=True)
            return
        self.standing.without_gain += 1
        if self._parameters.early_stop and self.standing.without_gain >= self._parameters.early_stop:
            log.info("no gain in %d evaluations: stopping early", self.standing.without_gain)
            self._finished_early = True

    def _measure(self, step: int, journal: MetricLines, progress: Progress) -> float | None:
        """The metric that decides which checkpoint is the best; None if there is none, and to other workers."""
        if self._folder is None:
            return None
        self._group.enter("evaluating", step)
        try:
            metrics = self._evaluate(self._group.check, progress)
        except StopRequestedError:
            self._group.broadcast_stop()
            raise
        self.write_metrics(step, journal, metrics)
        return metrics[0].value if metrics else None

    def write_metrics(self, step: int, journal: MetricLines, metrics: Iterable[Metric]) -> None:
        """Journal what was measured after `step` steps, and log it."""
        for metric in metrics:
            journal.write(step, self._epoch(step), {metric.name: metric.value}, protocol=metric.protocol)
            log.info("step %d  %s %.4f", step, metric.name, metric.value)

    def _epoch(self, step: int) -> int:
        """The epoch that the last of `step` steps was made in."""
        return (step - 1) // self._batches.steps_per_epoch

    def _save(self, step: int, best: bool = False) -> None:
        self._saved = step
        if self._folder is None:
            return
        self._group.enter("saving", step)
        state = {
            "step": step,
            "epoch": step // self._batches.steps_per_epoch,
            "batch_in_epoch": step % self._batches.steps_per_epoch,
            "seed": self._parameters.seed,
            "schedule": self._schedule.state(),
            "loss": self._watch.state(),
            "standing": asdict(self.standing),
            "finished_early": self._finished_early,
            "parameters": self._parameters.digest(),
        }
        self._folder.checkpoints.save(Checkpoint(self._engine.state(), state), best=best)


def total_steps(parameters: Parameters, steps_per_epoch: int) -> int:
    """Steps of the whole run."""
    steps = parameters.epochs * steps_per_epoch
    return steps if parameters.max_steps is None else min(steps, parameters.max_steps)
