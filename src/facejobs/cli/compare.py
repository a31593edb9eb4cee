"""facejobs compare."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facejobs.cli import job_options as options

if TYPE_CHECKING:
    from facejobs.jobs.versions import VersionFolder, VersionStore

app = typer.Typer(rich_markup_mode=None)


@app.command()
def compare(
    versions: Annotated[
        list[str],
        typer.Argument(
            metavar="JOB V1 V2 [V3 ...]", help="The job, and two or more versions: 3, V0003, last, best:METRIC."
        ),
    ],
    store: str = options.STORE,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a report with interactive curves.")
    ] = None,
    as_json: bool = options.JSON,
) -> None:
    """Say which change between versions of a job mattered: parameters, metrics, noise, significance.

    Every version is compared with the first one. JOB@last and JOB@best:METRIC name versions too.
    """
    from rich.console import Console

    from facejobs.jobs.comparison.as_json import as_json as to_json
    from facejobs.jobs.comparison.comparison import compare as compare_runs
    from facejobs.jobs.comparison.reading import SeedGroups, read_run
    from facejobs.jobs.comparison.report import check_replaceable, write_report
    from facejobs.jobs.comparison.terminal import print_comparison
    from facejobs.jobs.versions import open_version_store

    if html is not None:
        check_replaceable(html)
    messages = Console(stderr=True)
    with messages.status("reading versions"):
        version_store = open_version_store(store)
        folders = _find(version_store, versions)
        runs = [read_run(folder, store) for folder in folders]
        comparison = compare_runs(runs, SeedGroups(version_store, runs[0].job).of)
    if as_json:
        typer.echo(json.dumps(to_json(comparison), indent=2, allow_nan=False))
    else:
        print_comparison(comparison, Console(markup=False, highlight=False))
    if html is not None:
        write_report(comparison, html)
        messages.print(f"report: {html}", markup=False, highlight=False, soft_wrap=True)


def _find(store: "VersionStore", words: Sequence[str]) -> list["VersionFolder"]:
    from facejobs.jobs.errors import SpecError

    job, at, _ = words[0].partition("@")
    references = list(words) if at else list(words[1:])
    if len(references) < 2:
        raise SpecError(f"name two versions or more to compare, as in: facejobs compare {job} V0001 V0002")
    folders = [store.find(*_reference(job, word)) for word in references]
    if len({folder.job for folder in folders}) > 1:
        jobs = ", ".join(sorted({folder.job for folder in folders}))
        raise SpecError(f"only versions of one job can be compared, these are of {jobs}")
    names = [folder.name for folder in folders]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise SpecError(f"{', '.join(sorted(repeated))} is named twice; name different versions of {job}")
    return folders


def _reference(job: str, word: str) -> tuple[str, str | None]:
    if word.startswith("@"):
        return job, word[1:]
    return (word, None) if "@" in word else (job, word)
