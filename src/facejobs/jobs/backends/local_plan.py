"""What the local backend makes of a job spec: command, environment, and what it can and cannot do."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from facejobs.jobs.backends.base import HIDDEN, Plan
from facejobs.jobs.backends.contract import job_variables, require_secrets
from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.slots import state_folder
from facejobs.jobs.backends.store_digest import store_digest
from facejobs.jobs.backends.this_machine import judge_attempts, judge_machine
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.version_record import version_name
from facejobs.storage import environment as names
from facejobs.storage.url import is_remote

_RUN_TRAIN = Path(__file__).resolve().parents[4] / "run_train.sh"
# In a directory an upload is a copy, so logs and metrics can be there sooner than over a network.
COPY_EVERY = 2.0
# Variables of the contract that describe the task from which a job is submitted, not the job.
_NOT_INHERITED = frozenset(
    {
        names.JOB_ID,
        names.TASK_INDEX,
        names.TASK_NUMBER,
        names.TASK_HOSTS,
        names.APP_URL,
        names.DATA_URL,
        names.TRAIN_URL,
        names.LOG_URL,
        names.WORK,
        names.INPUTS,
        names.VERSION_URL,
        names.OUTPUT_URL,
        names.SECRETS,
        names.ATTEMPT,
        names.ATTEMPTS,
        names.TIME_LIMIT,
        names.REMOVE_WORK,
        names.CONTROL,
    }
)


def work_folder(url: str) -> Path:
    """The work folder of the version at `url` on this machine; stores of one name on two servers are told apart."""
    root, _, rest = url.rpartition("/jobs/")
    return state_folder() / "work" / store_digest(root) / rest


def store_url(url: str) -> str:
    """The URL of a version folder as any process here understands it: relative paths made absolute."""
    return url if is_remote(url) else str(Path(url).resolve())


def make_plan(spec: JobSpec, url: str | None) -> Plan:
    """The plan of a spec; without a version's `url`, of a first version in a store that is not named, called STORE."""
    known = store_url(url) if url else f"STORE/jobs/{spec.name}/{version_name(1)}"
    work = work_folder(known)
    inputs = {
        name: str(work / "inputs" / name) if is_remote(place) else str(Path(place).absolute())
        for name, place in spec.inputs.items()
    }
    output = {spec.output: str(work / "output")}
    command = [*_boot_command(), *spec.command_line(inputs, output)]
    honoured, emulated, impossible = _judge(spec)
    return Plan(
        backend="local",
        command=command,
        environment={**_contract(spec, known, work), **dict.fromkeys(spec.secrets, HIDDEN)},
        folder=str(work),
        honoured=honoured,
        emulated=emulated,
        impossible=impossible,
    )


def _boot_command() -> list[str]:
    """run_train.sh where facejobs runs from its repository, and what that script starts elsewhere."""
    return ["bash", str(_RUN_TRAIN)] if _RUN_TRAIN.is_file() else [sys.executable, "-m", "facejobs.jobs.boot"]


def _contract(spec: JobSpec, url: str, work: Path) -> dict[str, str]:
    variables = {
        **job_variables(spec, url),
        names.TASK_INDEX: "0",
        names.TASK_NUMBER: "1",
        names.TASK_HOSTS: socket.gethostname(),
        names.WORK: str(work),
        names.PYTHON: sys.executable,
        # Where tasks keep their log: two jobs of this machine must not share one.
        "TMPDIR": str(work / "tmp"),
    }
    if not is_remote(url) and names.UPLOAD_EVERY not in {**os.environ, **spec.environment}:
        variables[names.UPLOAD_EVERY] = f"{COPY_EVERY:g}"
    return variables


def _judge(spec: JobSpec) -> tuple[list[str], list[str], list[str]]:
    """What of the spec is done as asked, what in another way, and what not at all."""
    resources = spec.resources
    honoured = ["command", "inputs", "outputs", "parameters", "environment", "secrets"]
    emulated: list[str] = []
    impossible: list[str] = []
    judge_attempts(spec, honoured)
    if spec.image:
        emulated.append(f"image: {spec.image} is recorded; the job runs with what is installed on this machine")
    judge_machine(resources, "local", ", named by CUDA_VISIBLE_DEVICES", honoured, impossible)
    for name in ("gpu_type", "cpus", "memory"):
        value = getattr(resources, name)
        if value is not None and not (name == "gpu_type" and unsupported_gpu(value)):
            emulated.append(f"resources.{name}: {value} is recorded; this machine is as it is and nothing is limited")
    return honoured, emulated, impossible


def inherited(spec: JobSpec, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment a job's processes start from; JobError if a variable named in `secrets` is not set."""
    require_secrets(spec.secrets, environment)
    return {name: value for name, value in environment.items() if name not in _NOT_INHERITED}
