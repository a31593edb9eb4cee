"""facejobs train: one command a task; every training parameter is an option."""

import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand

from facejobs.errors import ExitCode

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

    from facejobs.training.recognition_parameters import RecognitionParameters

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train a recogniser.")

_PARAMETERS = {"allow_extra_args": True, "ignore_unknown_options": True}


class _RecognitionCommand(TyperCommand):
    """Lists the training parameters in the help, reading them only when help is asked for."""

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        super().format_options(ctx, formatter)
        from facejobs.cli.parameter_help import parameter_rows
        from facejobs.training.recognition_parameters import RecognitionParameters

        with formatter.section("Parameters, each as --name value"):
            formatter.write_dl(parameter_rows(RecognitionParameters))


class _LogLines(logging.Handler):
    """Writes to what sys.stderr is when a line comes: while a progress bar is shown, that puts the line above it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


@app.command("recognition", cls=_RecognitionCommand, context_settings=_PARAMETERS)
def recognition(
    ctx: typer.Context,
    data: Path = typer.Argument(..., help="Folder with cele.rec, cele.idx and property."),
    output: Path = typer.Argument(..., help="Folder of the run; the same command again resumes it."),
    recipe: Path = typer.Option(None, "--recipe", help="YAML file with a mapping 'parameters'; options override it."),
) -> None:
    """Train a face recogniser from RecordIO faces and publish its model into OUTPUT/model."""
    from facejobs.training.recognition import train_recognition

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[_LogLines()])
    logging.getLogger("facejobs").setLevel(logging.INFO)
    parameters = _recognition_parameters(ctx.args, recipe)
    from facejobs.engines.mxnet.cluster import parameter_servers
    from facejobs.engines.mxnet.runtime import load_mxnet
    from facejobs.storage.environment import BootEnvironment
    from facejobs.training.distributed.joining import finish, joined_group

    with joined_group(parameters, BootEnvironment.read()) as group:
        with parameter_servers(group):
            load_mxnet(parameters.gpus)
            from facejobs.engines.mxnet.recognition import RecognitionEngine
            from facejobs.engines.mxnet.training_engine import software

            make_engine = partial(RecognitionEngine, group=group)
            result = train_recognition(data, output, parameters, make_engine, software(), group)
        stopped = result is not None and result.stopped_by_signal
        code = finish(group, ExitCode.STOPPED if stopped else ExitCode.OK)
    if result is not None and stopped:
        typer.echo(f"stopped at step {result.step}, saved; run the same command again to go on", err=True)
    if code != ExitCode.OK:
        raise typer.Exit(code)


def _recognition_parameters(arguments: list[str], recipe: Path | None) -> "RecognitionParameters":
    from facejobs.training.parameters import parse_options, read_recipe
    from facejobs.training.recognition_parameters import RecognitionParameters

    planned = read_recipe(recipe) if recipe else {}
    return RecognitionParameters.from_texts({**planned, **parse_options(arguments)})
