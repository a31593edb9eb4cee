"""Which versions may be started again."""

import pytest

from facejobs.jobs.backends.resuming import require_resumable
from facejobs.jobs.errors import JobError
from facejobs.jobs.status import State


@pytest.mark.parametrize(
    ("state", "submitted", "refusal"),
    [
        (State.COMPLETED, True, "facejobs modify"),
        (State.PENDING, True, "stop it first"),
        (State.RUNNING, True, "stop it first"),
        (State.PENDING, False, None),
        (State.FAILED, True, None),
        (State.STOPPED, True, None),
        (State.LOST, True, None),
    ],
)
def test_what_has_ended_without_success_may_be_resumed(state: State, submitted: bool, refusal: str | None) -> None:
    if refusal is None:
        require_resumable("job V0001", state, submitted)
        return
    with pytest.raises(JobError, match=refusal):
        require_resumable("job V0001", state, submitted)
