"""The `facejobs` command: its groups, and how errors become exit codes.

Command modules import their room inside each command, so that `facejobs --help` is instant.
"""

import errno
import sys

import typer

from facejobs import __version__
from facejobs.cli import data, evaluate, train
from facejobs.errors import ExitCode, FacejobsError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


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
    try:
        app()
    except FacejobsError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        typer.echo(f"error: {error.strerror}: {error.filename or 'output'}", err=True)
        sys.exit(ExitCode.WRITE_FAILED)


if __name__ == "__main__":
    main()
