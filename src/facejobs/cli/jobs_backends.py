"""facejobs backends, queue: the places that run jobs, and what they run."""

import json
from dataclasses import asdict

import typer

from facejobs.cli import job_options as options

app = typer.Typer(rich_markup_mode=None)


@app.command("backends")
def backends(
    as_json: bool = options.JSON,
    table: bool = typer.Option(
        False, "--table", help="Print what each makes of every field of a spec, and its options, as Markdown."
    ),
) -> None:
    """List the places that run jobs, and what is missing here to use each."""
    if table:
        from facejobs.jobs.backends.table import backend_table

        typer.echo(backend_table(), nl=False)
        return
    from facejobs.cli.tables import print_table
    from facejobs.jobs.backends.opening import missing_for
    from facejobs.jobs.spec import BACKENDS

    rows = [(name, missing_for(name) or "installed") for name in BACKENDS]
    if as_json:
        typer.echo(json.dumps([{"name": name, "missing": missing_for(name)} for name, _ in rows]))
    else:
        print_table(("backend", "here"), rows)


@app.command("queue")
def queue(
    backend: str = options.BACKEND,
    backend_options: list[str] = options.BACKEND_OPTIONS,
    as_json: bool = options.JSON,
) -> None:
    """List the versions that a backend runs or holds in its queue now, of whatever store."""
    from facejobs.cli.tables import print_table
    from facejobs.jobs.backends.opening import open_backend
    from facejobs.jobs.overrides import option_values

    found = open_backend(backend, option_values(backend, backend_options)).list()
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found]))
        return
    rows = [(item.job, item.version, str(item.state), item.native_state, item.id) for item in found]
    print_table(("job", "version", "state", "native state", "native number"), rows)
