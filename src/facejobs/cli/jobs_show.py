"""facejobs list, versions, show, metrics: what there is and what it says."""

import json
from typing import TYPE_CHECKING, Any

import typer

from facejobs.cli import job_options as options

if TYPE_CHECKING:
    from facejobs.jobs.version_summary import VersionSummary
    from facejobs.jobs.versions import VersionStore

_THREADS = 16

app = typer.Typer(rich_markup_mode=None)


@app.command("list")
def list_jobs(store: str = options.STORE, as_json: bool = options.JSON) -> None:
    """List the jobs of a store, each with its newest version."""
    from concurrent.futures import ThreadPoolExecutor

    from pydantic_core import to_jsonable_python

    from facejobs.cli.tables import local_time, print_table
    from facejobs.jobs.versions import open_version_store

    versions = open_version_store(store)
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(lambda job: _job_row(versions, job), versions.jobs()))
    if as_json:
        typer.echo(json.dumps(to_jsonable_python(rows), indent=1))
        return
    if not rows:
        typer.echo(f"{versions.url} holds no job yet: facejobs submit SPEC makes one", err=True)
        return
    print_table(
        ("JOB", "VERSIONS", "NEWEST", "STATE", "SUBMITTED", "DESCRIPTION"),
        [
            (
                row["job"],
                str(row["versions"]),
                row["newest"] or "-",
                row["state"] or "-",
                local_time(row["created"]),
                row["description"],
            )
            for row in rows
        ],
    )


def _job_row(store: "VersionStore", job: str) -> dict[str, Any]:
    from facejobs.jobs.errors import VersionDamagedError, VersionNotFoundError
    from facejobs.jobs.version_summary import summarise

    row: dict[str, Any] = {"job": job, "versions": len(store.versions(job))}
    row.update(newest=None, state=None, created=None, description="")
    try:
        newest = summarise(store.find(job, "last"))
    except (VersionNotFoundError, VersionDamagedError) as error:
        row["description"] = str(error)
        return row
    row.update(newest=newest.version, state=newest.state, created=newest.created, description=newest.description)
    return row


@app.command("versions")
def versions(
    job: str = typer.Argument(..., metavar="JOB", help="Name of the job."),
    store: str = options.STORE,
    as_json: bool = options.JSON,
) -> None:
    """List the versions of a job: state, parent, what was changed, and its main metric."""
    from facejobs.cli.jobs_progress import counting
    from facejobs.jobs.version_index import list_versions
    from facejobs.jobs.versions import open_version_store

    opened = open_version_store(store)
    with counting(f"reading {job}") as advance:
        listing = list_versions(opened, job, advance)
    for damage in listing.damaged:
        typer.echo(f"warning: {damage}", err=True)
    if not listing.versions and not listing.damaged:
        opened.find(job, "last")  # raises, saying what there is
    if as_json:
        typer.echo(json.dumps([version.model_dump(mode="json") for version in listing.versions], indent=1))
    else:
        _print_versions(listing.versions)


def _print_versions(versions: "list[VersionSummary]") -> None:
    from facejobs.cli.tables import duration, local_time, print_table

    metric = _main_metric(versions)
    by_name = {version.version: version for version in versions}
    headers = ["VERSION", "STATE", "SUBMITTED", "TOOK", "PARENT", *([metric.upper()] if metric else []), "CHANGED"]
    rows = []
    for version in versions:
        row = [version.version, str(version.state), local_time(version.created), duration(version.seconds)]
        row.append(version.parent or "-")
        if metric:
            found = version.metrics.get(metric)
            row.append("-" if found is None else f"{found.last if found.best is None else found.best:.4f}")
        row.append(_changes(version, by_name.get(version.parent or "")))
        rows.append(row)
    print_table(headers, rows)


def _main_metric(versions: "list[VersionSummary]") -> str | None:
    """The metric that says most of a model; of equals the one most versions have, then the one written first."""
    from facejobs.jobs.metric_history import metric_rank

    ranks: dict[str, int] = {}
    counts: dict[str, int] = {}
    for version in versions:
        for name, metric in version.metrics.items():
            if metric.best is not None:
                counts[name] = counts.get(name, 0) + 1
                rank = metric_rank(name, metric.protocol)
                ranks[name] = min(rank, ranks.get(name, rank))
    return max(counts, key=lambda name: (-ranks[name], counts[name]), default=None)


def _changes(version: "VersionSummary", parent: "VersionSummary | None") -> str:
    if parent is None:
        return "?" if version.parent else ""
    changed = []
    for before, after in ((parent.parameters, version.parameters), (parent.inputs, version.inputs)):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                changed.append(f"{name}={after.get(name, '(default)')}")
    return " ".join(changed)


@app.command("show")
def show(
    job: str = options.JOB, version: str = options.VERSION, store: str = options.STORE, as_json: bool = options.JSON
) -> None:
    """Show everything that is known of a version: parameters, inputs, code, machine, history and metrics."""
    from facejobs.cli.job_facts import version_facts
    from facejobs.cli.tables import print_facts
    from facejobs.jobs.backends.opening import asked_state
    from facejobs.jobs.metric_summary import read_metrics
    from facejobs.jobs.status import read_status
    from facejobs.jobs.versions import open_version_store

    folder = open_version_store(store).find(job, version)
    # Asked first: a backend may record an end that nobody else could.
    state = asked_state(folder)
    status = read_status(folder.store)
    metrics = read_metrics(folder.store)
    if as_json:
        everything = {
            **folder.record.model_dump(mode="json"),
            "url": folder.url,
            "state": state,
            "status": status.model_dump(mode="json"),
            "metrics": {name: metric.model_dump(mode="json") for name, metric in metrics.items()},
        }
        typer.echo(json.dumps(everything, indent=1))
        return
    typer.echo(f"{folder.job} {folder.name} is {state}")
    for title, facts in version_facts(folder, status, metrics):
        print_facts(title, facts)


@app.command("metrics")
def metrics(
    job: str = options.JOB, version: str = options.VERSION, store: str = options.STORE, as_json: bool = options.JSON
) -> None:
    """Show the latest and the best value of each metric of a version."""
    from facejobs.cli.tables import print_table
    from facejobs.jobs.metric_summary import read_metrics
    from facejobs.jobs.versions import open_version_store

    folder = open_version_store(store).find(job, version)
    found = read_metrics(folder.store)
    if as_json:
        typer.echo(json.dumps([metric.model_dump(mode="json") for metric in found.values()], indent=1))
        return
    if not found:
        typer.echo(f"{folder.job} {folder.name} has no metric yet", err=True)
        return
    print_table(
        ("METRIC", "LATEST", "AT STEP", "BEST", "AT STEP", "VALUES"),
        [
            (
                metric.name,
                f"{metric.last:.6g}",
                str(metric.last_step),
                "-" if metric.best is None else f"{metric.best:.6g}",
                "-" if metric.best_step is None else str(metric.best_step),
                str(metric.values),
            )
            for metric in found.values()
        ],
    )
