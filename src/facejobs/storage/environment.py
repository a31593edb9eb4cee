"""Every environment name of the boot contract, once, and what a task reads from them (docs/reference/boot-contract.md).

`DLS_*` and `S3_ENDPOINT` are ModelArts' own names; `FACEJOBS_*` stands for what ModelArts has no name for.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from facejobs.storage import task_names
from facejobs.storage.errors import StorageError
from facejobs.storage.url import is_remote, join_url

JOB_ID = "DLS_JOB_ID"
TASK_INDEX = task_names.INDEX
TASK_NUMBER = task_names.NUMBER
TASK_HOSTS = task_names.HOSTS
APP_URL = "DLS_APP_URL"
DATA_URL = "DLS_DATA_URL"
TRAIN_URL = "DLS_TRAIN_URL"
LOG_URL = "DLS_UPLOAD_LOG_OBS_DIR"
S3_ENDPOINT = "S3_ENDPOINT"
WORK = "FACEJOBS_WORK"
INPUTS = "FACEJOBS_INPUTS"
STORE = "FACEJOBS_STORE"
VERSION_URL = "FACEJOBS_VERSION_URL"
OUTPUT_URL = "FACEJOBS_OUTPUT_URL"
SECRETS = "FACEJOBS_SECRETS"
ATTEMPT = "FACEJOBS_ATTEMPT"
ATTEMPTS = "FACEJOBS_ATTEMPTS"
TIME_LIMIT = "FACEJOBS_TIME_LIMIT"
GRACE = "FACEJOBS_GRACE"
UPLOAD_EVERY = "FACEJOBS_UPLOAD_EVERY"
PYTHON = "FACEJOBS_PYTHON"
REMOVE_WORK = "FACEJOBS_REMOVE_WORK"
CONTROL = "FACEJOBS_CONTROL"

# As FACEJOBS_ATTEMPT: for tasks that a cluster starts again with the environment they had.
AUTO_ATTEMPT = "auto"

# Secret in every task, whether the job names them or not.
ALWAYS_SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# A hundred years: the kernel's timers count nanoseconds in 64 bits, and refuse 300.
LONGEST_SECONDS = 100 * 365 * 86400

_GRACE_SECONDS = 60.0
_UPLOAD_SECONDS = 15.0
_INPUT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class BootEnvironment:
    """What the environment says about one task. Times are in seconds; URLs may also be paths.

    `attempt` is None where the status of the version says which one it is; `attempts` is then how many may fail.
    """

    job: str
    task: int
    tasks: int
    hosts: tuple[str, ...]
    work: Path
    app_url: str | None
    inputs: dict[str, str]
    train_url: str | None
    log_url: str | None
    version_url: str | None
    output_url: str | None
    secrets: tuple[str, ...]
    attempt: int | None
    attempts: int
    time_limit: float | None
    grace: float
    upload_every: float
    remove_work: bool
    control: Path | None

    @property
    def output(self) -> Path:
        """Where the command writes, and what is uploaded."""
        return self.work / "output"

    @property
    def app(self) -> Path:
        """Where the code of `DLS_APP_URL` is."""
        return self.work / "app"

    def input(self, name: str) -> Path:
        """Where a fetched input is."""
        return self.work / "inputs" / name

    @property
    def task_log(self) -> Path:
        """The task's log on this machine; ModelArts looks for it under this name in /tmp."""
        return Path(tempfile.gettempdir()) / f"dls-task-{self.task}.log"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Parse the environment; raises StorageError naming a variable that cannot be understood."""
        environment = task_names.with_task_names(environment)
        version_url = environment.get(VERSION_URL) or None
        if version_url is not None:
            # ModelArts V1 writes its own forms of these two over those that a version's task was given.
            environment = {**environment, TRAIN_URL: version_url, LOG_URL: join_url(version_url, "logs")}
        job = environment.get(JOB_ID) or "local"
        task = _whole_number(environment, TASK_INDEX, default=0, least=0)
        automatic = environment.get(ATTEMPT) == AUTO_ATTEMPT
        attempt = None if automatic else _whole_number(environment, ATTEMPT, default=1, least=1)
        return cls(
            job=job,
            task=task,
            tasks=_tasks(environment, task),
            hosts=tuple(host.strip() for host in environment.get(TASK_HOSTS, "").split(",") if host.strip()),
            work=_work_folder(environment, job, task),
            app_url=environment.get(APP_URL) or None,
            inputs=_inputs(environment),
            train_url=environment.get(TRAIN_URL) or None,
            log_url=environment.get(LOG_URL) or None,
            version_url=version_url,
            output_url=environment.get(OUTPUT_URL) or None,
            secrets=tuple(name.strip() for name in environment.get(SECRETS, "").split(",") if name.strip()),
            attempt=attempt,
            attempts=_whole_number(environment, ATTEMPTS, default=attempt or 1, least=attempt or 1),
            time_limit=_seconds(environment, TIME_LIMIT, None),
            grace=_seconds(environment, GRACE, _GRACE_SECONDS) or 0.0,
            upload_every=_seconds(environment, UPLOAD_EVERY, _UPLOAD_SECONDS) or 0.0,
            remove_work=_yes(environment, REMOVE_WORK),
            control=Path(environment[CONTROL]) if environment.get(CONTROL) else None,
        )


def secret_values(secrets: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """Values that no log may show: those of the named variables and of the usual AWS ones, longest first."""
    values = {environment.get(name, "") for name in (*ALWAYS_SECRET, *secrets)}
    return sorted(filter(None, values), key=len, reverse=True)


def _work_folder(environment: Mapping[str, str], job: str, task: int) -> Path:
    named = environment.get(WORK)
    if named:
        return Path(named).absolute()
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", job)
    name = f"facejobs-{os.getuid()}-{safe}-{task}"
    url = environment.get(TRAIN_URL)
    if url:
        # Two outputs of one job's name are two runs: neither may go on from, or upload, what the other left.
        place = f"{environment.get(S3_ENDPOINT, '')}\n{url.rstrip('/')}" if is_remote(url) else str(Path(url).resolve())
        name += f"-{hashlib.sha256(place.encode(errors='surrogateescape')).hexdigest()[:12]}"
    return Path(tempfile.gettempdir()) / name


def _inputs(environment: Mapping[str, str]) -> dict[str, str]:
    text = environment.get(INPUTS)
    if not text:
        data = environment.get(DATA_URL)
        return {"data": data} if data else {}
    try:
        inputs = json.loads(text)
    except ValueError as error:
        raise StorageError(f'{INPUTS} is not JSON ({error}): write {{"data": "s3://bucket/folder"}}') from None
    if not isinstance(inputs, dict) or not all(isinstance(url, str) and url for url in inputs.values()):
        raise StorageError(f'{INPUTS} must map names to URLs: write {{"data": "s3://bucket/folder"}}')
    for name in inputs:
        if not _INPUT_NAME.fullmatch(name):
            raise StorageError(f"{INPUTS}: {name!r} is no name of an input: use letters, digits, '_', '-' and '.'")
    return inputs


def _whole_number(environment: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise StorageError(f"{name} is {text!r}: it must be a whole number, {least} or more")
    return int(text)


def _tasks(environment: Mapping[str, str], task: int) -> int:
    tasks = _whole_number(environment, TASK_NUMBER, default=1, least=1)
    if tasks > 1 and not environment.get(TASK_INDEX):
        raise StorageError(f"{TASK_NUMBER} is {tasks}, but {TASK_INDEX} is not set: each task needs its own, from 0")
    if environment.get(TASK_NUMBER) and task >= tasks:
        raise StorageError(f"{TASK_INDEX} is {task}, but {TASK_NUMBER} is {tasks}: tasks are numbered from 0")
    return tasks


def _yes(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name) or "0"
    if text not in ("0", "1"):
        raise StorageError(f"{name} is {text!r}: it must be 1 for yes, or 0")
    return text == "1"


def _seconds(environment: Mapping[str, str], name: str, default: float | None) -> float | None:
    text = environment.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise StorageError(
            f"{name} is {text!r}: it must be a number of seconds above 0, and no more than a hundred years"
        )
    return seconds
