"""facejobs train: one command a task; every training parameter is an option."""

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperCommand

from facejobs.errors import ExitCode

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

    from facejobs.training.distributed.group import WorkerGroup
    from facejobs.training.loop import LoopResult
    from facejobs.training.parameters import Parameters

    ParametersType = TypeVar("ParametersType", bound=Parameters)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train a recogniser or a detector.")

_EXTRA_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
_OUTPUT = typer.Argument(..., help="Folder of the run; the same command again resumes it.")
_RECIPE = typer.Option(None, "--recipe", help="YAML file with a mapping 'parameters'; options override it.")


class _TrainingCommand(TyperCommand):
    """Lists the training parameters in the help, reading them only when help is asked for."""

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        super().format_options(ctx, formatter)
        from facejobs.cli.parameter_help import parameter_rows

        with formatter.section("Parameters, each as --name value"):
            formatter.write_dl(parameter_rows(_parameters_of(self.name)))


def _parameters_of(task: str | None) -> "type[Parameters]":
    if task == "detection":
        from facejobs.training.haar_parameters import HaarParameters

        return HaarParameters
    from facejobs.training.recognition_parameters import RecognitionParameters

    return RecognitionParameters


class _LogLines(logging.Handler):
    """Writes to what sys.stderr is when a line comes: while a progress bar is shown, that puts the line above it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


@app.command("recognition", cls=_TrainingCommand, context_settings=_EXTRA_OPTIONS)
def recognition(
    ctx: typer.Context,
    data: Path = typer.Argument(..., help="Folder with cele.rec, cele.idx and property."),
    output: Path = _OUTPUT,
    recipe: Path = _RECIPE,
) -> None:
    """Train a face recogniser from RecordIO faces and publish its model into OUTPUT/model."""
    from facejobs.training.recognition import train_recognition
    from facejobs.training.recognition_parameters import RecognitionParameters

    def start(parameters: RecognitionParameters, group: "WorkerGroup") -> "LoopResult | None":
        from facejobs.engines.mxnet.recognition import RecognitionEngine
        from facejobs.engines.mxnet.training_engine import software

        make_engine = partial(RecognitionEngine, group=group)
        return train_recognition(data, output, parameters, make_engine, software(), group)

    _train(RecognitionParameters.from_texts(_values(ctx.args, recipe)), start)


@app.command("detection", cls=_TrainingCommand, context_settings=_EXTRA_OPTIONS)
def detection(
    ctx: typer.Context,
    data: Path = typer.Argument(
        ..., help="Folder with train, and perhaps val and test, or one of them: images/ and label.txt."
    ),
    output: Path = _OUTPUT,
    recipe: Path = _RECIPE,
) -> None:
    """Train a face detector from labelled photographs and publish its model into OUTPUT/model."""
    from facejobs.training.detection import train_detection
    from facejobs.training.detection_parameters import DetectionParameters

    values = _values(ctx.args, recipe)
    if values.get("--detector") == "haar":
        _train_haar(data, output, values)
        return

    def start(parameters: DetectionParameters, group: "WorkerGroup") -> "LoopResult | None":
        from facejobs.engines.mxnet.detection.engine import DetectionEngine
        from facejobs.engines.mxnet.detection.mtcnn_engine import MtcnnEngine
        from facejobs.engines.mxnet.training_engine import software

        make_engine = partial(MtcnnEngine if parameters.detector == "mtcnn" else DetectionEngine, group=group)
        return train_detection(data, output, parameters, make_engine, software(), group)

    _train(DetectionParameters.from_texts(values), start)


def _train_haar(data: Path, output: Path, values: Mapping[str, Any]) -> None:
    from facejobs.training.haar import train_haar
    from facejobs.training.haar_parameters import HaarParameters

    def start(parameters: HaarParameters, group: "WorkerGroup") -> "LoopResult | None":
        return train_haar(data, output, parameters, group)

    _train(HaarParameters.from_texts(values), start, with_mxnet=False)


def _values(arguments: list[str], recipe: Path | None) -> dict[str, Any]:
    """Parameters by their options, those of the command before those of the recipe."""
    from facejobs.training.parameters import parse_options, read_recipe

    planned = read_recipe(recipe) if recipe else {}
    return {**planned, **parse_options(arguments)}


def _train(
    parameters: "ParametersType",
    start: "Callable[[ParametersType, WorkerGroup], LoopResult | None]",
    with_mxnet: bool = True,
) -> None:
    """Train alone or as one of several workers, and end with the exit code of all of them."""
    from facejobs.engines.mxnet.cluster import parameter_servers
    from facejobs.engines.mxnet.runtime import load_mxnet
    from facejobs.storage.environment import BootEnvironment
    from facejobs.training.distributed.joining import finish, joined_group

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[_LogLines()])
    logging.getLogger("facejobs").setLevel(logging.INFO)
    with joined_group(parameters, BootEnvironment.read()) as group:
        with parameter_servers(group) if with_mxnet else nullcontext():
            if with_mxnet:
                load_mxnet(parameters.gpus)
            result = start(parameters, group)
        stopped = result is not None and result.stopped_by_signal
        code = finish(group, ExitCode.STOPPED if stopped else ExitCode.OK)
    if result is not None and stopped:
        typer.echo(_how_it_stopped(result.step), err=True)
    if code != ExitCode.OK:
        raise typer.Exit(code)


def _how_it_stopped(step: int) -> str:
    if step == 0:
        return "stopped before the first step was saved; run the same command again to begin anew"
    return f"stopped at step {step}, saved; run the same command again to go on"
