"""The `facejobs` command: its groups, and how errors become exit codes.

Command modules import their room inside each command, so that `facejobs --help` is instant.
"""

import contextlib
import errno
import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType

import typer

from facejobs import __version__
from facejobs.cli import (
    compare,
    data,
    detect,
    evaluate,
    gallery,
    image,
    jobs,
    jobs_import,
    jobs_run,
    model,
    recognise,
    storage,
    track,
    train,
)
from facejobs.errors import ExitCode, FacejobsError

# What a shell reports for a process that SIGPIPE ended: its reader went away, as in `facejobs … | head`.
_READER_GONE = 128 + signal.SIGPIPE
# A path that cannot be written to: no room, no right, no folder to write into, or a folder in its place.
_FILE_REFUSED = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)
_ADVICE = {
    errno.ENOSPC: "; make room there, then start the same command again",
    errno.EDQUOT: "; make room there, then start the same command again",
    errno.EFBIG: "; the file system or a limit (ulimit -f) allows no larger file",
    errno.EACCES: "; correct the permission, or name another path",
}

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.command("detect")(detect.detect)
app.add_typer(gallery.app, name="gallery")
app.command("recognise")(recognise.recognise)
app.add_typer(model.app, name="model")
app.add_typer(storage.app, name="storage")
app.add_typer(image.app, name="image")
app.add_typer(jobs_import.app, name="import")
app.add_typer(jobs.app)
app.add_typer(jobs_run.app)
app.add_typer(compare.app)
app.add_typer(track.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facejobs {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Train face detectors and recognisers as numbered, comparable jobs."""


def main() -> None:
    """Run the command line; turn known errors into one message and a documented exit code."""
    signal.signal(signal.SIGTERM, _end)
    # A terminal that lacks a character shows another one for it.
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
    sys.exit(_flush(_run()))


def _end(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that unfinished output is removed; a second SIGTERM must not interrupt that."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _run() -> int:
    """The exit code of the command in sys.argv; an error nobody foresaw is raised, for its traceback."""
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return _READER_GONE
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except FacejobsError as error:
        return _report(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in _FILE_REFUSED:
            raise
        return _report(_explain(error), ExitCode.WRITE_FAILED)
    return ExitCode.OK


def _explain(error: OSError) -> str:
    return f"{error.strerror}: {error.filename or 'output'}{_ADVICE.get(error.errno or 0, '')}"


def _report(message: str, code: ExitCode) -> ExitCode:
    with contextlib.suppress(OSError):
        typer.echo(f"error: {message}", err=True)
    return code


def _flush(code: int) -> int:
    """Flush stdout now, since the interpreter's own flush at exit would print a failure it cannot explain."""
    if sys.stdout is None:
        return code
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno == errno.EPIPE:
            return code or _READER_GONE
        return code or _report(f"{error.strerror}: standard output", ExitCode.WRITE_FAILED)
    return code


if __name__ == "__main__":
    main()
