"""facejobs evaluate."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facejobs.cli.evaluate_detection import detection
from facejobs.cli.evaluate_identification import identification

if TYPE_CHECKING:
    from facejobs.evaluation.verification import VerificationResult
    from facejobs.inference.embedder import Embedder

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command()(detection)
app.command()(identification)


@app.callback()
def group() -> None:
    """Measure published models."""


@app.command()
def verification(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Model folder (model.onnx, model.json), or the output of a run.")
    ],
    pairs: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder with pairs.txt, InsightFace .bin file, or folder of sets."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="New folder for results.json, pair scores (.npz) and ROC pictures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images given to the model at once.")] = 64,
) -> None:
    """Measure 1:1 verification: 10-fold accuracy, and TAR at FAR 1e-1, 1e-2 and 1e-3."""
    from facejobs.cli.verification_table import to_table
    from facejobs.data.fresh_output import fresh_directory
    from facejobs.data.model_folder import find_model_folder
    from facejobs.data.pair_sets import find_pair_sets
    from facejobs.evaluation.results import save_results, to_json
    from facejobs.inference.embedder import Embedder

    with nullcontext() if out is None else fresh_directory(out) as folder:
        embedder = Embedder.load(find_model_folder(model))
        described = _describe(embedder)
        results, pictures = [], 0
        for path in find_pair_sets(pairs):
            results.append(_evaluate(embedder, path, batch_size))
            if not as_json:
                typer.echo(to_table(results[-1]))
        if folder is not None:
            pictures = save_results(folder, described, results)
    if as_json:
        typer.echo(json.dumps(to_json(described, results), indent=2, allow_nan=False))
    elif out is not None:
        kept = "results, pair scores and ROC pictures" if pictures else "results and pair scores"
        typer.echo(f"{kept}: {out}")


def _evaluate(embedder: "Embedder", path: Path, batch_size: int) -> "VerificationResult":
    from rich.console import Console
    from rich.progress import Progress

    from facejobs.data.pairs import load_pairs
    from facejobs.evaluation.verification import evaluate_verification

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{path.name}: reading", total=None)
        loaded = load_pairs(path)
        progress.update(task, description=f"{loaded.name}: embedding", total=len(loaded.images))
        return evaluate_verification(
            loaded,
            lambda images: embedder.embed(images, batch_size),
            batch_size,
            progress=lambda done, _: progress.update(task, completed=done),
        )


def _describe(embedder: "Embedder") -> dict[str, Any]:
    from facejobs.data.model_description import GRAPH_NAME

    description = embedder.description
    return {
        "path": str(embedder.folder),
        "sha256": description.files[GRAPH_NAME].sha256,
        "backbone": description.backbone,
        "loss": description.loss,
        "embedding_size": description.output.embedding_size,
    }
