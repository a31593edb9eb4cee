"""facejobs delete, gc, export: removing what is not needed, taking a version elsewhere."""

import json
from pathlib import Path

import typer

from facejobs.cli import job_options as options

app = typer.Typer(rich_markup_mode=None)

_YES = typer.Option(False, "-y", "--yes", help="Do not ask.")


def _confirm(question: str) -> None:
    """Ask on the terminal; raises SpecError unless the answer is yes."""
    from facejobs.jobs.errors import SpecError

    try:
        if typer.confirm(question, err=True):
            return
    except typer.Abort:
        # Nobody there to answer.
        typer.echo(err=True)
    raise SpecError("nothing was removed; --yes removes without asking")


@app.command("delete")
def delete(
    job: str = options.JOB,
    version: str = options.VERSION,
    force: bool = typer.Option(False, "--force", help="Even if others were modified from it, or if it is damaged."),
    yes: bool = _YES,
    store: str = options.STORE,
    as_json: bool = options.JSON,
) -> None:
    """Delete a version with its model and checkpoints; its number is never used again."""
    from facejobs.cli.tables import byte_count
    from facejobs.jobs.deletion import check_deletable, delete_version, find_deletable
    from facejobs.jobs.versions import open_version_store

    opened = open_version_store(store)
    folder = find_deletable(opened, job, version, force)
    check_deletable(opened, folder, force)
    if not yes:
        _confirm(f"delete {folder.job} {folder.name} in {folder.url}, for good?")
    size = delete_version(opened, folder)
    if as_json:
        typer.echo(json.dumps({"job": folder.job, "version": folder.name, "deleted": True, "bytes": size}))
    else:
        typer.echo(f"{folder.job} {folder.name} is deleted: {byte_count(size)}")


@app.command("gc")
def gc(
    job: str = typer.Argument(..., metavar="JOB", help="Name of the job."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be removed."),
    yes: bool = _YES,
    store: str = options.STORE,
    as_json: bool = options.JSON,
) -> None:
    """Remove checkpoints of ended versions, all but the last and the best one of each."""
    from facejobs.cli.counts import count_of
    from facejobs.cli.jobs_progress import counting
    from facejobs.cli.tables import byte_count
    from facejobs.jobs.checkpoint_removal import find_garbage, remove_garbage
    from facejobs.jobs.versions import open_version_store

    opened = open_version_store(store)
    if not opened.versions(job):
        opened.find(job, "last")  # raises, saying what there is
    damaged: list[str] = []
    with counting(f"looking through {job}") as advance:
        found = find_garbage(opened, job, advance, damaged.append)
    for damage in damaged:
        typer.echo(f"warning: {damage}", err=True)
    size = sum(item.size for item in found)
    amount = f"{count_of(sum(len(item.steps) for item in found), 'checkpoint')}, {byte_count(size)}"
    if not as_json:
        for item in found:
            steps = ", ".join(str(step) for step in item.steps)
            typer.echo(f"{item.version.name}: checkpoints of steps {steps}, {byte_count(item.size)}")
    if found and not dry_run:
        if not yes:
            _confirm(f"remove {amount}?")
        for item in found:
            remove_garbage(item)
    if as_json:
        rows = [{"version": item.version.name, "steps": item.steps, "bytes": item.size} for item in found]
        typer.echo(json.dumps({"job": job, "bytes": size, "removed": not dry_run, "checkpoints": rows}, indent=1))
    else:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {amount}")


@app.command("export")
def export(
    words: list[str] = typer.Argument(
        ..., metavar="JOB [V] FILE.tar", help="A version, as elsewhere (JOB 3, JOB@last), and the file to write."
    ),
    store: str = options.STORE,
    as_json: bool = options.JSON,
) -> None:
    """Write a version into one plain tar file, with an index.json that lists sizes and SHA-256 digests."""
    from facejobs.cli.jobs_progress import counting
    from facejobs.cli.tables import byte_count
    from facejobs.jobs.errors import SpecError
    from facejobs.jobs.export import export_version
    from facejobs.jobs.versions import open_version_store

    if len(words) not in (2, 3):
        raise SpecError("write it as facejobs export JOB V FILE.tar, or facejobs export JOB@last FILE.tar")
    folder = open_version_store(store).find(words[0], words[1] if len(words) == 3 else None)
    target = Path(words[-1])
    with counting(f"exporting {folder.job} {folder.name}", of_bytes=True) as advance:
        size = export_version(folder, target, advance)
    if as_json:
        facts = {"job": folder.job, "version": folder.name, "file": str(target), "bytes": size}
        typer.echo(json.dumps(facts))
    else:
        typer.echo(f"{folder.job} {folder.name} is in {target}: {byte_count(size)}")
