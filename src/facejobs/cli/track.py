"""facejobs track."""

import json

import typer

from facejobs.cli import job_options as options

app = typer.Typer(rich_markup_mode=None)


@app.command()
def track(
    job: str = options.JOB,
    version: str = options.VERSION,
    store: str = options.STORE,
    as_json: bool = options.JSON,
) -> None:
    """Send a version's parameters and metrics to the MLflow server of MLFLOW_TRACKING_URI; again for what is new."""
    from facejobs.jobs.tracking import send_version
    from facejobs.jobs.versions import open_version_store

    folder = open_version_store(store).find(job, version)
    tracked = send_version(folder)
    if as_json:
        facts = {"job": folder.job, "version": folder.name, "run_id": tracked.run_id}
        typer.echo(json.dumps({**facts, "url": tracked.address, "values": tracked.values}))
        return
    typer.echo(f"{folder.job} {folder.name}: {tracked.values:,} new values of metrics sent to {tracked.address}")
