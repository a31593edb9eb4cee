"""Which attempt this is, where a cluster starts a task again with the environment it had: the status tells."""

from facejobs.jobs.status import State, Status


def next_attempt(status: Status) -> int:
    """The number of the attempt that begins now: that of the last transition, or one more if that one ran already."""
    began = {item.attempt for item in status.transitions if item.state is not State.PENDING}
    return status.attempt + 1 if status.attempt in began else status.attempt


def failures(status: Status) -> int:
    """How many attempts since the last submit or resume failed and were to be tried again.

    An attempt that the cluster took the machine from is none of them: it ended without an exit code.
    """
    count, began = 0, set[int]()
    for item in status.transitions:
        if item.state is not State.PENDING:
            began.add(item.attempt)
        elif item.attempt not in began:
            count = 0
        elif item.exit_code is not None:
            count += 1
    return count


def needs_no_attempt(status: Status) -> bool:
    """Whether nobody wants the task that a cluster starts again: its version is whole, or was stopped on request.

    So it is when a node dies while the last tasks of a job tidy up. A resume says PENDING first.
    """
    return status.state in (State.COMPLETED, State.STOPPED)
