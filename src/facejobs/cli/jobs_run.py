"""facejobs logs, stop, resume, wait: following and steering jobs that run."""

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from facejobs.errors import ExitCode

if TYPE_CHECKING:
    from facejobs.jobs.backends.base import Backend
    from facejobs.jobs.progress import Progress
    from facejobs.jobs.status import State, Status
    from facejobs.jobs.versions import VersionFolder

app = typer.Typer(rich_markup_mode=None)

_JOB = typer.Argument(..., metavar="JOB", help="Name of the job, or JOB@last, or JOB@best:METRIC.")
_VERSION = typer.Argument(None, metavar="[V]", help="Its version: 3 or V0003.")
_STORE = typer.Option(None, "--store", metavar="URL", help="Version store; default: FACEJOBS_STORE, else .facejobs.")
_JSON = typer.Option(False, "--json", help="Print JSON.")

_Answer = TypeVar("_Answer")
_POLL_SECONDS = 1.0
_LAST_LINES = 10
_LONGEST_LINE = 300


def _find(job: str, version: str | None, store: str | None) -> "tuple[VersionFolder, Backend]":
    from facejobs.jobs.backends.opening import backend_of
    from facejobs.jobs.versions import open_version_store

    folder = open_version_store(store).find(job, version)
    return folder, backend_of(folder.record)


def _report(folder: "VersionFolder", backend: "Backend", as_json: bool) -> "Status":
    """Print where the version stands; returns its status."""
    from facejobs.jobs.status import read_status

    status = read_status(folder.store)
    state = backend.state(folder)
    exit_code = status.transitions[-1].exit_code if status.transitions else None
    if as_json:
        facts = {"job": folder.job, "version": folder.name, "state": state, "reason": status.reason}
        typer.echo(json.dumps({**facts, "exit_code": exit_code, "attempt": status.attempt}))
    else:
        typer.echo(f"{folder.job} {folder.name} is {state}{f': {status.reason}' if status.reason else ''}")
    return status


@app.command("logs")
def logs(
    job: str = _JOB,
    version: str = _VERSION,
    follow: bool = typer.Option(False, "-f", "--follow", help="Go on with what is logged, until the job ends."),
    store: str = _STORE,
    as_json: bool = _JSON,
) -> None:
    """Print the log of a version, of all its attempts."""
    folder, backend = _find(job, version, store)
    for line in backend.logs(folder, follow):
        typer.echo(json.dumps({"line": line}) if as_json else line)
        if follow:
            sys.stdout.flush()


@app.command("stop")
def stop(
    job: str = _JOB,
    version: str = _VERSION,
    kill: bool = typer.Option(False, "--kill", help="End it at once: what it did since its last checkpoint is lost."),
    store: str = _STORE,
    as_json: bool = _JSON,
) -> None:
    """Ask a job to save and end, and wait until it has; `facejobs resume` goes on with it."""
    folder, backend = _find(job, version, store)
    backend.stop(folder, kill)
    _report(folder, backend, as_json)


@app.command("resume")
def resume(job: str = _JOB, version: str = _VERSION, store: str = _STORE, as_json: bool = _JSON) -> None:
    """Go on with a version that FAILED, was STOPPED or is LOST, from its newest checkpoint, on this machine."""
    folder, backend = _find(job, version, store)
    backend.resume(folder)
    _report(folder, backend, as_json)


@app.command("wait")
def wait(job: str = _JOB, version: str = _VERSION, store: str = _STORE, as_json: bool = _JSON) -> None:
    """Show the progress of a job until it ends; ends with the job's exit code, or 11 if it is LOST."""
    from facejobs.jobs.status import State

    folder, backend = _find(job, version, store)
    try:
        state = _follow(folder, backend)
    except KeyboardInterrupt:
        typer.echo(f"the job goes on; facejobs stop {folder.job} {folder.name} ends it", err=True)
        raise
    status = _report(folder, backend, as_json)
    if state is State.COMPLETED:
        return
    if not as_json:
        for line in list(backend.logs(folder))[-_LAST_LINES:]:
            typer.echo(f"  | {line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + '…'}", err=True)
        typer.echo(f"facejobs resume {folder.job} {folder.name} goes on from its last checkpoint", err=True)
    code = status.transitions[-1].exit_code if state is not State.LOST else None
    raise typer.Exit(code or ExitCode.JOB)


def _follow(folder: "VersionFolder", backend: "Backend") -> "State":
    """Show a progress bar where there is a terminal, until the version has ended; returns its state."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from facejobs.jobs.progress import read_progress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[summary]}"),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{folder.job} {folder.name}", total=None, summary="")

        def show(state: str, progress: "Progress") -> None:
            description = f"{folder.job} {folder.name} {state}"
            bar.update(
                task,
                description=description,
                completed=progress.step,
                total=progress.total,
                summary=progress.summary(),
            )

        total: int | None = None
        # Not patiently: an address that is wrong is told at once.
        state: State | None = backend.state(folder)
        while True:
            if state is not None and state.ended:
                return state
            if state is not None and console.is_terminal:
                progress = _patiently(read_progress, folder.store, total)
                if progress is not None:
                    total = progress.total
                    show(state, progress)
            time.sleep(_POLL_SECONDS)
            state = _patiently(backend.state, folder)


def _patiently(read: Callable[..., _Answer], *arguments: object) -> _Answer | None:
    """What `read` returns, or None while the store or the backend does not answer: the job may well go on."""
    from facejobs.jobs.errors import BackendUnreachableError
    from facejobs.storage.errors import UnreachableError

    try:
        return read(*arguments)
    except (UnreachableError, BackendUnreachableError):
        return None
