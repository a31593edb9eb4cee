"""`python -m facejobs.jobs.boot COMMAND ARGUMENT…`: what run_train.sh becomes."""

import os
import sys

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.boot.task import Task
from facejobs.storage.environment import BootEnvironment
from facejobs.storage.task_names import with_task_names

_USAGE = """\
usage: run_train.sh COMMAND ARGUMENT...
Fetches code and data, runs COMMAND, uploads its checkpoints while it runs and its output at the end.
The environment says from where and to where: docs/reference/boot-contract.md"""


def main(arguments: list[str]) -> int:
    """Run one task; returns the command's exit code, 127 if fetching failed, 9 if the upload did."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stderr)
        return ExitCode.USAGE if not arguments else ExitCode.OK
    try:
        task = Task(arguments, BootEnvironment.read(), with_task_names(os.environ))
    except FacejobsError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.DOWNLOAD_FAILED
    return task.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
