"""A run that trains a Haar cascade by OpenCV's own programs: the run folder of any detector, its steps are stages."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facejobs import __version__
from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.haar_cascade import CASCADE_NAME, HaarCascade, HaarDescription
from facejobs.data.detection.haar_samples import write_haar_samples
from facejobs.data.model_folder import describe_files
from facejobs.training.checkpoints import Checkpoint
from facejobs.training.data_kind import refuse_other_kind
from facejobs.training.detection_sets import (
    MeasuredSplit,
    choose_splits,
    count_faces,
    require_photographs,
    split_folders,
)
from facejobs.training.distributed.group import Alone, WorkerGroup
from facejobs.training.errors import ParameterError
from facejobs.training.haar_parameters import WINDOW, HaarParameters
from facejobs.training.haar_tools import STAGES, HaarTools, finished_stages, rates_of_stage
from facejobs.training.journal import Journal
from facejobs.training.loop import LoopResult
from facejobs.training.progress import Progress
from facejobs.training.publish import publish_model
from facejobs.training.run_folder import RunFolder
from facejobs.training.stop_signal import StopRequestedError, StopSignal

log = logging.getLogger(__name__)

# A name with a dot is no part of the output, and is not uploaded with it.
_WORK = ".haar-work"


class _Trained(NamedTuple):
    """A cascade, as it is used and as it is published."""

    cascade: HaarCascade
    content: bytes
    stages: int


def train_haar(
    data: Path, output: Path, parameters: HaarParameters, group: WorkerGroup | None = None
) -> LoopResult | None:
    """Train a cascade on labelled photographs and publish it into `output/model`.

    Stages that were finished before a stop or a kill are kept and not trained again. Returns None if the run in
    `output` was complete already. Raises DataError, ParameterError, RunFolderError, and ToolError where OpenCV's
    programs are missing or fail.
    """
    group = group or Alone()
    if group.size > 1:
        raise ParameterError("--detector haar is trained by one process: ask for one node")
    refuse_other_kind(data, "photographs")
    splits = split_folders(data)
    split = DetectionSplit.open(splits.train)
    require_photographs(split)
    facts = {
        "path": str(split.folder),
        "fingerprint": split.fingerprint(),
        "images": len(split),
        "faces": count_faces(split),
    }
    with RunFolder(output, "detection", parameters, facts) as folder, _wiped(folder.path / _WORK) as work:
        if folder.complete:
            log.info("%s is complete: its model is in %s", output, folder.model)
            return None
        tools = HaarTools.find()
        watched, final = choose_splits(splits, parameters, folder.recorded.get("evaluation"))
        sets = [*watched, *final]
        folder.record({"facejobs": __version__, "opencv": cv2.__version__}, {one.name: one.protocol for one in sets})
        run = _HaarRun(folder, work, split, parameters, tools, group)
        try:
            trained = run.train_and_measure(sets)
        except StopRequestedError:
            return LoopResult(run.saved, stopped_by_signal=True)
        _publish(folder, parameters, facts, trained, watched, final)
    return LoopResult(trained.stages, stopped_by_signal=False)


class _HaarRun:
    """`saved` is how many stages the newest checkpoint holds."""

    def __init__(
        self,
        folder: RunFolder,
        work: Path,
        split: DetectionSplit,
        parameters: HaarParameters,
        tools: HaarTools,
        group: WorkerGroup,
    ) -> None:
        self._folder = folder
        self._work = work
        self._split = split
        self._parameters = parameters
        self._tools = tools
        self._group = group
        checkpoint, warnings = folder.checkpoints.load_last()
        for warning in warnings:
            log.warning("%s; going back to an older one", warning)
        self._checkpoint = checkpoint
        self.saved = int(checkpoint.state["step"]) if checkpoint else 0

    def train_and_measure(self, sets: list[MeasuredSplit]) -> _Trained:
        """Train the stages that are missing, then measure the cascade on `sets`; raises StopRequestedError."""
        journal = Journal(self._folder.journal, self.saved)
        total = self._parameters.stages
        try:
            with StopSignal() as stop, Progress(total, self.saved) as progress:
                self._group.heed(stop)

                def check_stop() -> None:
                    self._group.progressed()
                    stop.check()

                trained = self._train(journal, progress, check_stop)
                for one in sets:
                    one.measure(trained.cascade, check_stop, progress)
                    for metric in one.metrics or ():
                        journal.write(trained.stages, 0, {metric.name: metric.value}, protocol=metric.protocol)
                        log.info("%s %.4f", metric.name, metric.value)
                return trained
        finally:
            self._group.release()
            journal.close()

    def _train(self, journal: Journal, progress: Progress, check_stop: Callable[[], None]) -> _Trained:
        work = self._work
        self._restore()
        log.info("cutting faces and backgrounds out of %d photographs", len(self._split))
        samples = write_haar_samples(work, self._split, WINDOW, self._parameters.seed, check_stop)
        log.info("%d faces, mirrored ones among them, and %d backgrounds", samples.positives, samples.negatives)
        self._tools.pack_faces(work, samples)

        def after_poll() -> None:
            self._save(journal, progress)
            check_stop()

        self._tools.train(work, samples, self._parameters, after_poll)
        if self.saved < self._parameters.stages:
            log.info("%d stages reject enough backgrounds: no further one is trained", self.saved)
        path = work / STAGES / CASCADE_NAME
        return _Trained(HaarCascade(path), path.read_bytes(), self.saved)

    def _restore(self) -> None:
        stages = self._work / STAGES
        stages.mkdir(parents=True)
        if self._checkpoint is not None:
            log.info("going on after stage %d of %d", self.saved, self._parameters.stages)
            for name, content in self._checkpoint.arrays.items():
                (stages / name).write_bytes(content.tobytes())

    def _save(self, journal: Journal, progress: Progress) -> None:
        files = finished_stages(self._work)
        stages = max(0, len(files) - 1)
        if stages <= self.saved:
            return
        for stage in range(self.saved, stages):
            rates = rates_of_stage(self._work, stage)
            journal.write(stage + 1, 0, rates)
            said = "  ".join(f"{name} {value:.3f}" for name, value in rates.items())
            log.info("stage %d of %d  %s", stage + 1, self._parameters.stages, said)
        arrays = {name: np.frombuffer(content, np.uint8) for name, content in files.items()}
        state = {"step": stages, "seed": self._parameters.seed, "parameters": self._parameters.digest()}
        self._folder.checkpoints.save(Checkpoint(arrays, state))
        self.saved = stages
        progress.advance(stages)


@contextlib.contextmanager
def _wiped(folder: Path) -> Iterator[Path]:
    """Remove what a killed run left in `folder`, and in the end what this one has: faces cut out of photographs."""
    _wipe(folder)
    try:
        yield folder
    finally:
        _wipe(folder)


def _wipe(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _publish(
    folder: RunFolder,
    parameters: HaarParameters,
    facts: dict[str, object],
    trained: _Trained,
    watched: list[MeasuredSplit],
    final: list[MeasuredSplit],
) -> None:
    sets = [*watched, *final]

    def describe(model: Path) -> HaarDescription:
        return HaarDescription(
            backbone="haar",
            training={
                "facejobs": __version__,
                "step": trained.stages,
                "parameters_sha256": parameters.digest(),
                "data": {name: value for name, value in facts.items() if name != "path"},
            },
            metrics=tuple(metric for one in sets for metric in one.metrics or ()),
            files=describe_files(model, [CASCADE_NAME]),
            window=trained.cascade.window,
            score_threshold=watched[0].best_threshold() if watched else None,
        )

    for one in sets:
        one.write_papers(folder.path)
    publish_model(folder, lambda model: _write(model / CASCADE_NAME, trained.content), describe)
    log.info("the cascade of %d stages is in %s", trained.stages, folder.model)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
