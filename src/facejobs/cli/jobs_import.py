"""facejobs import: versions that were made elsewhere."""

import json
from dataclasses import asdict
from pathlib import Path

import typer

from facejobs.cli import job_options as options

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Take versions over from elsewhere.")


@app.callback()
def root() -> None:
    """Take versions over from elsewhere."""


@app.command("modelarts")
def modelarts(
    files: list[Path] = typer.Argument(..., metavar="FILE.json...", help="Saved answers of the ModelArts V1 API."),
    store: str = options.STORE,
    as_json: bool = options.JSON,
) -> None:
    """Import training jobs and versions of ModelArts V1, with their parents, parameters, times and metrics."""
    from facejobs.cli.counts import count_of
    from facejobs.jobs.modelarts_export import read_exports
    from facejobs.jobs.modelarts_import import import_versions
    from facejobs.jobs.versions import open_version_store

    export = read_exports(files)
    imported = []
    for item in import_versions(export, open_version_store(store)):
        imported.append(item)
        if as_json:
            continue
        named = f"{item.job}: ModelArts' {item.native_name}"
        if item.version is None:
            typer.echo(f"{named} is not imported")
        else:
            typer.echo(f"{named} {'is now' if item.new else 'was imported already, as'} {item.version}")
        for note in item.notes:
            typer.echo(f"  {note}")
    if as_json:
        rows = [asdict(item) for item in imported]
        facts = {"versions": rows, "jobs_without_versions": export.only_named, "versions_lacking": export.lacking}
        typer.echo(json.dumps(facts, indent=1))
        return
    for name in export.only_named:
        typer.echo(f"{name}: only a list of jobs names it; export its versions too")
    for name, count in export.lacking.items():
        typer.echo(
            f"{name}: ModelArts has {count_of(count, 'version')} of it more than these files: "
            "export the other pages too (…/versions?per_page=1000&page=1)"
        )
    typer.echo(f"{count_of(sum(item.new for item in imported), 'version')} imported")
