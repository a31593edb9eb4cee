"""What a task reads from its environment, and how it says that it cannot."""

import os
import tempfile
from pathlib import Path

import pytest

from facejobs.storage.environment import BootEnvironment, secret_values
from facejobs.storage.errors import StorageError


def test_without_anything_it_is_a_local_task() -> None:
    environment = BootEnvironment.read({})
    assert (environment.job, environment.task, environment.inputs, environment.train_url) == ("local", 0, {}, None)
    assert environment.work == Path(tempfile.gettempdir()) / f"facejobs-{os.getuid()}-local-0"
    assert (environment.attempt, environment.attempts, environment.time_limit) == (1, 1, None)
    assert (environment.grace, environment.upload_every) == (60.0, 15.0)


def test_modelarts_names_are_enough() -> None:
    environment = BootEnvironment.read(
        {"DLS_JOB_ID": "job/7 x", "DLS_TASK_INDEX": "2", "DLS_DATA_URL": "s3://b/data", "DLS_TRAIN_URL": "obs://b/out"}
    )
    assert environment.inputs == {"data": "s3://b/data"}
    assert environment.work.name.startswith(f"facejobs-{os.getuid()}-job-7-x-2-")
    assert environment.task_log.name == "dls-task-2.log"
    assert environment.input("data") == environment.work / "inputs" / "data"


def test_tasks_that_train_together_know_their_number_and_hosts() -> None:
    environment = BootEnvironment.read({"DLS_TASK_INDEX": "1", "DLS_TASK_NUMBER": "3", "DLS_TASK_HOSTS": "a, b,c"})
    assert (environment.task, environment.tasks, environment.hosts) == (1, 3, ("a", "b", "c"))
    alone = BootEnvironment.read({})
    assert (alone.tasks, alone.hosts) == (1, ())
    with pytest.raises(StorageError, match="DLS_TASK_INDEX is 2, but DLS_TASK_NUMBER is 2: tasks are numbered from 0"):
        BootEnvironment.read({"DLS_TASK_INDEX": "2", "DLS_TASK_NUMBER": "2"})
    with pytest.raises(StorageError, match="DLS_TASK_NUMBER is 2, but DLS_TASK_INDEX is not set"):
        BootEnvironment.read({"DLS_TASK_NUMBER": "2"})


def test_another_output_is_another_run_and_the_same_one_goes_on() -> None:
    def work(url: str, endpoint: str = "") -> Path:
        return BootEnvironment.read({"DLS_TRAIN_URL": url, "S3_ENDPOINT": endpoint}).work

    places = [work("s3://b/one"), work("s3://b/two"), work("s3://b/one", "http://store"), work("one"), work("two")]
    assert len(set(places)) == len(places)
    assert work("s3://b/one/") == work("s3://b/one")
    assert work("one") == work(str(Path("one").resolve()), "http://store")


def test_named_inputs_come_before_the_one_without_a_name() -> None:
    inputs = '{"faces": "s3://b/f", "pairs": "/data/pairs"}'
    environment = BootEnvironment.read({"FACEJOBS_INPUTS": inputs, "DLS_DATA_URL": "s3://b/data"})
    assert environment.inputs == {"faces": "s3://b/f", "pairs": "/data/pairs"}
    assert BootEnvironment.read({"FACEJOBS_INPUTS": "{}", "DLS_DATA_URL": "s3://b/data"}).inputs == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACEJOBS_INPUTS", "{"),
        ("FACEJOBS_INPUTS", "[]"),
        ("FACEJOBS_INPUTS", '{"a": 1}'),
        ("FACEJOBS_INPUTS", '{"../a": "s3://b/c"}'),
        ("FACEJOBS_INPUTS", '{"": "s3://b/c"}'),
        ("DLS_TASK_INDEX", "-1"),
        ("DLS_TASK_INDEX", "one"),
        ("FACEJOBS_ATTEMPT", "0"),
        ("FACEJOBS_ATTEMPTS", "0"),
        ("FACEJOBS_REMOVE_WORK", "yes"),
        ("FACEJOBS_TIME_LIMIT", "2h"),
        ("FACEJOBS_TIME_LIMIT", "nan"),
        ("FACEJOBS_TIME_LIMIT", "1e10"),
        ("FACEJOBS_GRACE", "-3"),
        ("FACEJOBS_UPLOAD_EVERY", "inf"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(StorageError, match=name):
        BootEnvironment.read({name: value})


def test_secrets_are_values_of_named_variables_and_of_the_usual_ones() -> None:
    environment = {"AWS_SECRET_ACCESS_KEY": "aws", "TOKEN": "a-longer-one", "EMPTY": "", "PATH": "/bin"}
    assert secret_values(("TOKEN", "EMPTY", "ABSENT"), environment) == ["a-longer-one", "aws"]
