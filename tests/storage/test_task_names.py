"""Task numbers and hosts under the names of other platforms."""

import pytest

from facejobs.storage.environment import BootEnvironment
from facejobs.storage.task_names import with_task_names

NAMES = ("DLS_TASK_INDEX", "DLS_TASK_NUMBER", "DLS_TASK_HOSTS")
V2 = {
    "VC_TASK_INDEX": "1",
    "MA_NUM_HOSTS": "2",
    "VC_WORKER_NUM": "2",
    "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job",
    "MA_VJ_NAME": "job",
}
V1 = {"DLS_TASK_INDEX": "1", "DLS_TASK_NUMBER": "11"} | {
    f"BATCH_CUSTOM{i}_HOSTS": f"10.0.0.{i}:6666" for i in range(11)
}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, (None, None, None)),
        (V2, ("1", "2", "job-worker-0.job,job-worker-1.job")),
        ({"VC_TASK_INDEX": "0", "VC_WORKER_NUM": "3"}, ("0", "3", None)),
        ({**V2, "DLS_TASK_INDEX": "0", "DLS_TASK_HOSTS": "a,b"}, ("0", "2", "a,b")),
        # By number, not by name: 10 comes after 9.
        (V1, ("1", "11", ",".join(f"10.0.0.{i}" for i in range(11)))),
        ({"BATCH_CUSTOM0_HOSTS": "", "BATCH_CUSTOMX_HOSTS": "x"}, (None, None, None)),
    ],
)
def test_dls_names_are_set_from_those_of_the_platform(environment, told) -> None:
    found = with_task_names(environment)
    assert tuple(found.get(name) for name in NAMES) == told
    assert {name: found[name] for name in environment} == environment


def test_a_task_of_modelarts_v2_knows_its_number() -> None:
    environment = BootEnvironment.read({**V2, "FACEJOBS_WORK": "/tmp/w"})
    assert (environment.task, environment.task_log.name) == (1, "dls-task-1.log")


def test_a_version_is_written_into_its_own_folder_whatever_modelarts_sets() -> None:
    environment = BootEnvironment.read(
        {
            "FACEJOBS_VERSION_URL": "obs://bucket/jobs/faces/V0001",
            "DLS_TRAIN_URL": "/bucket/jobs/faces/V0001/",
            "DLS_UPLOAD_LOG_OBS_DIR": "/bucket/jobs/faces/V0001/logs/job10",
        }
    )
    assert environment.train_url == environment.version_url == "obs://bucket/jobs/faces/V0001"
    assert environment.log_url == "obs://bucket/jobs/faces/V0001/logs"
