"""From the boot contract's environment to a group, and how an error of one worker ends it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from facejobs.storage.environment import BootEnvironment
from facejobs.training.distributed.group import Alone
from facejobs.training.distributed.joining import finish, joined_group
from facejobs.training.errors import CheckpointError, ParameterError
from facejobs.training.parameters import Parameters

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def environment(**variables: str) -> BootEnvironment:
    return BootEnvironment.read({"DLS_JOB_ID": "faces", **variables})


def test_one_task_is_alone() -> None:
    with joined_group(Parameters(), environment()) as group:
        assert isinstance(group, Alone) and list(group.share(6)) == list(range(6))
        assert finish(group, 75) == 75


@pytest.mark.parametrize(("size", "near"), [(64, "63 or 66"), (2, "3")])
def test_a_batch_that_cannot_be_shared_is_refused_with_sizes_that_can(size: int, near: str) -> None:
    with (
        pytest.raises(ParameterError, match=rf"--batch-size {size} is .*multiple of that, such as {near}$"),
        joined_group(
            Parameters(batch_size=size),
            environment(DLS_TASK_INDEX="0", DLS_TASK_NUMBER="3", DLS_TASK_HOSTS="127.0.0.1"),
        ),
    ):
        pass


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_one_ends_the_other_with_its_code(tmp_path, left, failing: int) -> None:
    def work(task: int) -> None:
        variables = {"DLS_TASK_INDEX": str(task), "DLS_TASK_NUMBER": "2", "DLS_TRAIN_URL": str(tmp_path)}
        with joined_group(Parameters(hang_minutes=0.5), environment(**variables)) as group:
            if task == failing:
                raise CheckpointError("a checkpoint is damaged")
            # In a process of its own it would be gone by then.
            group._ended.wait(10)

    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(work, task) for task in (0, 1)]
        with pytest.raises(CheckpointError):
            tasks[failing].result(timeout=20)
    deadline = time.monotonic() + 10
    while not left and time.monotonic() < deadline:
        time.sleep(0.02)
    (end,) = left
    assert end[:2] == ("other" if failing == 0 else "first", 7)
    assert f"worker {failing} (" in end[2] and "a checkpoint is damaged" in end[2]
