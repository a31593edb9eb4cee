"""Makes this process a worker of its job: alone, the first of several, or another one."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facejobs.errors import ExitCode, FacejobsError
from facejobs.storage import environment as names
from facejobs.storage.environment import BootEnvironment
from facejobs.training.distributed.first_worker import FirstWorker
from facejobs.training.distributed.group import Alone, WorkerGroup
from facejobs.training.distributed.hang_watch import leave
from facejobs.training.distributed.meeting import meeting_place
from facejobs.training.distributed.other_worker import OtherWorker
from facejobs.training.errors import ParameterError
from facejobs.training.parameters import Parameters

SeveralWorkers = FirstWorker | OtherWorker


@contextmanager
def joined_group(parameters: Parameters, environment: BootEnvironment) -> Iterator[WorkerGroup]:
    """The group of workers that the boot contract's environment describes, all of them there.

    An error in the block ends all workers with that error's exit code. Raises ParameterError where the batches cannot
    be shared or nothing says where to meet, WorkerLostError where not all come, StorageError.
    """
    hang_seconds = parameters.hang_minutes * 60
    if environment.tasks == 1:
        alone = Alone(hang_seconds)
        try:
            yield alone
        finally:
            alone.release()
        return
    _check_shares(parameters, environment.tasks)
    place = meeting_place(environment)
    group: SeveralWorkers
    if environment.task == 0:
        group = FirstWorker(environment.tasks, hang_seconds)
    else:
        group = OtherWorker(environment.task, environment.tasks, hang_seconds)
    try:
        if isinstance(group, FirstWorker):
            group.gather(place)
        else:
            group.join(place)
        yield group
    except BaseException as error:
        code = _exit_code(error)
        said = f"it was ended with exit code {code}" if isinstance(error, SystemExit) else str(error)
        group.fail(code, said or type(error).__name__)
        if isinstance(error, FacejobsError | OSError):
            raise
        # An exchange may be under way, for whose end MXNet waits when a process exits as usual.
        if not isinstance(error, SystemExit):
            traceback.print_exception(error)
        leave(code)


def finish(group: WorkerGroup, code: int) -> int:
    """End this worker together with the others; returns the exit code, which the first worker's `code` decides."""
    match group:
        case FirstWorker():
            return group.finish(code)
        case OtherWorker():
            return group.finish()
    return code


def _check_shares(parameters: Parameters, workers: int) -> None:
    if parameters.batch_size % workers:
        below = parameters.batch_size // workers * workers
        nearest = " or ".join(str(size) for size in (below, below + workers) if size)
        raise ParameterError(
            f"--batch-size {parameters.batch_size} is the batch of all workers together, and {names.TASK_NUMBER} says "
            f"that there are {workers}: choose a multiple of that, such as {nearest}"
        )


def _exit_code(error: BaseException) -> int:
    code: Any = ExitCode.INTERNAL
    if isinstance(error, FacejobsError):
        code = error.exit_code
    elif isinstance(error, OSError):
        code = ExitCode.WRITE_FAILED
    elif isinstance(error, SystemExit):
        code = error.code
    return int(code) if isinstance(code, int) else int(ExitCode.INTERNAL)
