"""The root of facejobs' exceptions, and the exit codes of every command.

Each room derives its own family from `FacejobsError` and sets `exit_code`. The message says
what is wrong, where (file, record, line) and what to do next; the CLI prints it without a traceback.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a facejobs process says when it ends. docs/reference/exit-codes.md explains each."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    BAD_DATA = 3
    OUTPUT_REFUSED = 4
    DIVERGED = 5
    DEVICE = 6
    BAD_MODEL = 7
    WRITE_FAILED = 8
    UPLOAD_FAILED = 9
    STORAGE = 10
    JOB = 11
    WORKER_LOST = 12
    HANG = 13
    GALLERY = 14
    STOPPED = 75
    TIME_LIMIT = 124
    DOWNLOAD_FAILED = 127


class FacejobsError(Exception):
    """Something the user can act on."""

    exit_code: ExitCode = ExitCode.INTERNAL
