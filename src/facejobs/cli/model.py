"""facejobs model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from facejobs.inference.import_choices import Findings
    from facejobs.inference.pixels import PerChannel

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Use models that others trained."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="ONNX file, with its weights in it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New model folder.")],
    task: Annotated[Literal["detection", "recognition"], typer.Option(help="What the model does.")],
    mean: Annotated[
        str | None,
        typer.Option(metavar="M", help="A pixel p is fed as (p - M) * S: a number, or three in the order of channels."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="S", help="The S of --mean: a number, such as 1/128, or three.")
    ] = None,
    channel_order: Annotated[
        Literal["RGB", "BGR"] | None, typer.Option(help="Order in which the channels are fed.", show_default=False)
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a recogniser with several outputs, the embedding.")
    ] = None,
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of a detector: a face is what scores at least this.")
    ] = None,
    nms_iou: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of a detector: the largest overlap of two faces, as IoU.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the model; by default as the file.")] = None,
) -> None:
    """Make a model folder of an ONNX file: a detector like RetinaFace or SCRFD, or a recogniser of 112x112 faces.

    The graph is run to learn the form of its outputs. What cannot be learnt is taken to be as usual for the kind, and
    printed.
    """
    _check_options(task, output, score_threshold, nms_iou)
    numbers = _numbers(mean, "--mean"), _numbers(scale, "--scale", above=0)
    from facejobs.data.fresh_output import fresh_directory
    from facejobs.inference.import_choices import ImportChoices
    from facejobs.inference.model_import import import_model

    choices = ImportChoices(name, *numbers, channel_order, output, score_threshold, nms_iou)
    with fresh_directory(out) as folder:
        _, findings = import_model(file, folder, task, choices)
    _print(findings, out)


def _print(findings: "Findings", out: Path) -> None:
    for line in findings.seen:
        typer.echo(f"found     {line}")
    for line in findings.assumed:
        typer.echo(f"assumed   {line}")
    if findings.assumed:
        typer.echo("What is assumed cannot be seen in a graph: compare it with what the model's authors say.")
    typer.echo(f"model: {out}")


def _check_options(task: str, output: str | None, *of_detectors: float | None) -> None:
    if task == "detection" and output is not None:
        raise typer.BadParameter("only a recogniser has one", param_hint="--output")
    if task == "recognition" and any(value is not None for value in of_detectors):
        raise typer.BadParameter("only a detector has one", param_hint="--score-threshold, --nms-iou")


def _numbers(text: str | None, option: str, above: float = float("-inf")) -> "PerChannel | None":
    """One number or three with commas, each plain or a fraction."""
    if text is None:
        return None
    try:
        values = [_number(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        values = []
    if len(values) not in (1, 3) or not all(above < value < float("inf") for value in values):
        wanted = "one number or three" if above < 0 else "one number above 0, such as 1/128, or three"
        raise typer.BadParameter(f"give {wanted} with commas between them, not {text!r}", param_hint=option)
    return values[0] if len(values) == 1 else (values[0], values[1], values[2])


def _number(text: str) -> float:
    number, _, divisor = text.partition("/")
    return float(number) / float(divisor or 1)
