"""A training run from data to published model: the part that all tasks share."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from facejobs import __version__
from facejobs.data.errors import DataError
from facejobs.data.model_description import Metric
from facejobs.data.model_folder import ModelDescription, describe_files
from facejobs.training.distributed.group import Alone, WorkerGroup
from facejobs.training.engine import BatchSource, BatchType, Engine
from facejobs.training.errors import ParameterError
from facejobs.training.evaluation_sets import EvaluationSet
from facejobs.training.journal import Journal
from facejobs.training.loop import LoopResult, TrainingLoop
from facejobs.training.parameters import Parameters
from facejobs.training.progress import Progress
from facejobs.training.publish import publish_model
from facejobs.training.run_folder import RunFolder

log = logging.getLogger(__name__)


class ExportingEngine(Engine[BatchType], Protocol):
    """An engine whose net can be published."""

    def export(self, folder: Path) -> None:
        """Write model.onnx, proven equal to the net, and the engine's own files."""


class Batches(BatchSource[Any], Protocol):
    """Batches of a data set, decoded by threads that stop when the context ends."""

    @property
    def skipped(self) -> Mapping[Any, str]:
        """Each image that could not be read, and why."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class MeasuredSet(EvaluationSet, Protocol):
    """Labelled data that an engine is measured on."""

    @property
    def metrics(self) -> Sequence[Metric] | None:
        """What was measured last; None before that."""

    def measure(self, engine: Any, check_stop: Callable[[], None], progress: Progress) -> None:
        """Measure the engine's net; `check_stop` is called now and then, and may raise."""

    def write_papers(self, folder: Path) -> None:
        """Write pictures and scores of what was measured last into the folder of the run."""


@dataclass(frozen=True)
class MeasuredSets:
    """What a run is measured on: what is `watched` while it trains, and what the published net alone is measured on.

    The first metric of the first set that is watched decides which checkpoint is the best.
    """

    watched: Sequence[MeasuredSet]
    final: Sequence[MeasuredSet] = ()

    @property
    def all(self) -> list[MeasuredSet]:
        """Both kinds."""
        return [*self.watched, *self.final]


class Task(Protocol):
    """One kind of training, with the data and the parameters of one run."""

    @property
    def name(self) -> str:
        """The task, as params.json and model.json name it."""

    @property
    def image_noun(self) -> str:
        """What an image is called in messages."""

    @property
    def parameters(self) -> Parameters:
        """The run's parameters."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the data are: `path`, `fingerprint`, and counts by name."""

    def batches(self, slots: range) -> Batches:
        """This worker's `slots` of every batch."""

    def make_engine(self, init: str | None) -> ExportingEngine[Any]:
        """A new engine, with weights drawn or from the file `init`."""

    def measured_sets(self, began_with: Mapping[str, str] | None) -> MeasuredSets:
        """What the run is measured on; one that goes on `began_with` sets of these names and protocols."""

    def describe_batch(self, batch: Any) -> dict[str, Any]:
        """Which images a batch holds, JSON-ready."""

    def describe_model(self, common: dict[str, Any]) -> ModelDescription:
        """model.json, from what it says of every model; the sets have measured this one."""


def train(task: Task, output: Path, software: dict[str, str], group: WorkerGroup | None) -> LoopResult | None:
    """Train, or go on training, and publish the model into `output/model`.

    Of several workers in a `group` each calls this; the first one alone reads and writes `output`. Returns None if the
    run in `output` was complete already. Raises DataError, ParameterError, RunFolderError, DivergedError, and what the
    engine raises.
    """
    group = group or Alone()
    if group.rank > 0:
        return _train_share(task, group)
    parameters = task.parameters
    with RunFolder(output, task.name, parameters, task.facts) as folder:
        group.broadcast(_agreement(task, complete=folder.complete))
        if folder.complete:
            log.info("%s is complete: its model is in %s", output, folder.model)
            return None
        sets = task.measured_sets(folder.recorded.get("evaluation"))
        with task.batches(group.share(parameters.batch_size)) as batches:
            engine = task.make_engine(parameters.init)
            folder.record({"facejobs": __version__, **software}, {one.name: one.protocol for one in sets.all})

            def evaluate(check_stop: Callable[[], None], progress: Progress) -> list[Metric]:
                return _measure(sets.watched, engine, check_stop, progress)

            loop = TrainingLoop(engine, batches, parameters, folder, evaluate, task.describe_batch, group)
            log.info("%s, %d steps", _counts(task.facts), loop.total_steps)
            result = loop.run()
            _report_skipped(task, batches)
        if not result.stopped_by_signal:
            _conclude(task, folder, engine, sets, loop, result.step)
        return result


def _measure(
    sets: Sequence[MeasuredSet], engine: Any, check_stop: Callable[[], None], progress: Progress
) -> list[Metric]:
    for one in sets:
        one.measure(engine, check_stop, progress)
    return [metric for one in sets for metric in one.metrics or ()]


def _conclude(
    task: Task,
    folder: RunFolder,
    engine: ExportingEngine[Any],
    sets: MeasuredSets,
    loop: TrainingLoop[Any],
    last: int,
) -> None:
    """Measure and publish the best checkpoint, or the net of the `last` step, which the engine holds."""
    best = loop.standing.best_step or last
    if best != last:
        engine.load_state(folder.checkpoints.load(best).arrays)
    journal = Journal(folder.journal, last)
    try:
        with Progress(last, last) as progress:
            # What goes on after its last evaluation has not measured anything.
            if best != last or any(one.metrics is None for one in sets.watched):
                log.info("measuring the checkpoint of step %d, to publish it", best)
                _measure(sets.watched, engine, lambda: None, progress)
            loop.write_metrics(best, journal, _measure(sets.final, engine, lambda: None, progress))
    finally:
        journal.close()
    training = {
        "facejobs": __version__,
        "step": best,
        "parameters_sha256": task.parameters.digest(),
        "data": {name: value for name, value in task.facts.items() if name != "path"},
    }

    def describe(model: Path) -> ModelDescription:
        metrics = tuple(metric for one in sets.all for metric in one.metrics or ())
        files = describe_files(model, [path.name for path in sorted(model.iterdir())])
        return task.describe_model({"training": training, "metrics": metrics, "files": files})

    for one in sets.all:
        one.write_papers(folder.path)
    publish_model(folder, engine.export, describe)
    log.info("the model of step %d is in %s", best, folder.model)


def _agreement(task: Task, complete: bool) -> dict[str, Any]:
    """What the first worker tells the others before all begin."""
    return {"parameters": task.parameters.digest(), "data": task.facts["fingerprint"], "complete": complete}


def _train_share(task: Task, group: WorkerGroup) -> LoopResult | None:
    """What a worker that is not the first does: its part of every batch, with the first one's state."""
    parameters = task.parameters
    first = group.broadcast(None)
    if first["complete"]:
        return None
    if first["parameters"] != parameters.digest():
        raise ParameterError(f"worker {group.rank} was given other parameters than the first one: give all the same")
    if first["data"] != task.facts["fingerprint"]:
        raise DataError(
            f"{task.facts['path']}: worker {group.rank} has other data here than the first one; all need the same files"
        )
    with task.batches(group.share(parameters.batch_size)) as batches:
        # Initial weights come from the first worker, like a checkpoint: their file need not be here.
        engine = task.make_engine(None)
        loop = TrainingLoop(engine, batches, parameters, None, lambda *_: [], task.describe_batch, group)
        result = loop.run()
        _report_skipped(task, batches)
    return result


def _counts(facts: dict[str, Any]) -> str:
    return ", ".join(f"{value} {name}" for name, value in facts.items() if isinstance(value, int))


def _report_skipped(task: Task, batches: Batches) -> None:
    for image, reason in sorted(batches.skipped.items()):
        log.warning("%s %s was skipped: %s", task.image_noun, image, reason)
