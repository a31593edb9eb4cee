"""One attempt of a version as the cluster is told of it: its name, its tasks' addresses, command and variables."""

import os
from dataclasses import dataclass
from functools import cached_property

from facejobs.jobs.backends import kubernetes_names as names
from facejobs.jobs.backends.contract import STORAGE_CREDENTIALS, job_variables, require_secrets, storage_settings
from facejobs.jobs.backends.kubernetes_options import KubernetesOptions
from facejobs.jobs.backends.storage_credentials import storage_credentials
from facejobs.jobs.spec import JobSpec
from facejobs.storage import environment as contract
from facejobs.storage.url import is_remote

WORK = "/work"
ENTRY_POINT = ("bash", "/home/work/run_train.sh")
# Stands for the number of the task: a spec can hold no NUL, so nothing typed by a user is taken for it.
_TASK = "\0"
_GRACE_SECONDS = 60
# After the command has ended, its newest checkpoint and its log are uploaded.
_UPLOAD_SECONDS = 120


@dataclass(frozen=True)
class ClusterJob:
    """What is sent for one attempt; `url` is the version folder, absolute, `run` the name that attempts share."""

    spec: JobSpec
    options: KubernetesOptions
    url: str
    run: str
    attempt: int = 1
    jobset: bool = False

    @property
    def name(self) -> str:
        """Of the Job or JobSet, its Secret and its Service."""
        return f"{self.run}-{self.attempt}"

    @property
    def labels(self) -> dict[str, str]:
        """Of every object, and of the pods."""
        return names.labels(self.url, self.run, self.attempt)

    @property
    def work(self) -> str:
        """The work folder; on a claim, which outlives the pod, each task of each version has its own."""
        return WORK if self.options.work_claim is None else f"{WORK}/{self.run}/task-{_TASK}"

    @property
    def hosts(self) -> list[str]:
        """Host names of the tasks, as their pods and their headless Service give them."""
        nodes = self.spec.resources.nodes
        if nodes == 1:
            return [f"{self.name}-0"]
        prefix = f"{self.name}-{names.REPLICATED_JOB}-0" if self.jobset else self.name
        return [f"{prefix}-{index}.{self.name}" for index in range(nodes)]

    @cached_property
    def command(self) -> list[str]:
        """What runs in each pod."""
        inputs = {
            name: f"{self.work}/inputs/{name}" if is_remote(place) else place
            for name, place in self.spec.inputs.items()
        }
        return [*ENTRY_POINT, *self.spec.command_line(inputs, {self.spec.output: f"{self.work}/output"})]

    @cached_property
    def variables(self) -> dict[str, str]:
        """The variables of each pod, without the number of its task and without secrets."""
        variables = {
            **storage_settings(self.spec),
            **job_variables(self.spec, self.url),
            contract.TASK_NUMBER: str(self.spec.resources.nodes),
            contract.TASK_HOSTS: ",".join(self.hosts),
            contract.WORK: self.work,
            # Never made: without an order to stop in it, whoever sends SIGTERM takes the pod away, and it goes on.
            contract.CONTROL: f"{self.work}/control",
            contract.ATTEMPT: contract.AUTO_ATTEMPT,
            contract.ATTEMPTS: str(1 + self.spec.retries),
        }
        if self.options.work_claim is not None:
            variables[contract.REMOVE_WORK] = "1"
        return variables

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the variables whose values come from a Secret."""
        return tuple(dict.fromkeys([*self.spec.secrets, *self.credentials]))

    @property
    def credentials(self) -> tuple[str, ...]:
        """Names of the variables that open the store: the submitter's, or any that the user's own Secret may have."""
        return STORAGE_CREDENTIALS if self.options.secret is not None else tuple(self._keys)

    @cached_property
    def _keys(self) -> dict[str, str]:
        return storage_credentials()

    def secret_values(self) -> dict[str, str]:
        """The values of the secrets; JobError naming one that is not set here."""
        values = {**self._keys, **{name: os.environ.get(name, "") for name in self.spec.secrets}}
        require_secrets(self.secrets, values)
        return values

    @property
    def makes_secret(self) -> bool:
        """Whether a Secret is made for it."""
        return self.options.secret is None and bool(self.secrets)

    @property
    def grace_period(self) -> int:
        """Seconds from SIGTERM to SIGKILL: what the command has to save, and the time of the upload after it."""
        return round(grace_seconds(self.spec)) + _UPLOAD_SECONDS


def grace_seconds(spec: JobSpec) -> float:
    """How long run_train.sh lets the command save; a value that it would refuse counts as the usual one."""
    try:
        seconds = float(spec.environment.get(contract.GRACE) or _GRACE_SECONDS)
    except ValueError:
        return _GRACE_SECONDS
    return seconds if 0 < seconds < 1e6 else _GRACE_SECONDS


def literal(text: str) -> str:
    """The text as Kubernetes must be given it, which takes `$(NAME)` for a variable and `$$` for a dollar sign."""
    return text.replace("$", "$$").replace(_TASK, f"$({contract.TASK_INDEX})")


def shown(text: str) -> str:
    """The text as the first task finds it."""
    return text.replace(_TASK, "0")
