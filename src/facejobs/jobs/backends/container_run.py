"""The container of a job: what it is called, what it is given, and the tool's command line that runs it."""

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facejobs.jobs.backends.container_mounts import CA_BUNDLE, WORK_INSIDE, Mounts, mounts_of
from facejobs.jobs.backends.container_options import ContainerOptions
from facejobs.jobs.backends.container_user import ContainerUser
from facejobs.jobs.backends.contract import job_variables, storage_settings
from facejobs.jobs.backends.local_plan import COPY_EVERY, work_folder
from facejobs.jobs.backends.storage_credentials import storage_credentials
from facejobs.jobs.spec import JobSpec
from facejobs.storage import environment as names
from facejobs.storage.url import is_remote

# What the submitter's environment says of how every task works.
_PASSED_ON = (names.GRACE, names.UPLOAD_EVERY)
# How long the container has to save and upload when not facejobs but the tool itself, or the machine, stops it.
_STOP_SECONDS = 300
_DIGITS = 12
LABEL_JOB, LABEL_VERSION, LABEL_URL = "facejobs.job", "facejobs.version", "facejobs.url"


@dataclass(frozen=True)
class ContainerRun:
    """One container: its name, what it is given, and the tool's options."""

    name: str
    image: str
    words: list[str]
    variables: dict[str, str]
    secrets: list[str]
    mounts: Mounts
    options: list[str]

    def arguments(self, tool: str) -> list[str]:
        """The whole command line. Values of secrets are not in it: the tool takes them from its own environment."""
        settings = [f"--env={name}={value}" for name, value in self.variables.items()]
        passed = [f"--env={name}" for name in self.secrets]
        mounted = [f"--mount={mount.argument}" for mount in self.mounts.mounts]
        return [tool, "run", *self.options, *mounted, *settings, *passed, self.image, *self.words]

    def request(self, tool: str) -> str:
        """The command line as a shell would take it, an option a line."""
        end = [self.image, *self.words]
        lines = [f"{tool} run"]
        for word in self.arguments(tool)[2 : -len(end)]:
            if word.startswith("-"):
                lines.append(shlex.quote(word))
            else:
                lines[-1] += f" {shlex.quote(word)}"
        return " \\\n  ".join([*lines, shlex.join(end)])


def container_name(work: Path) -> str:
    """The name of the container of a work folder: one on this machine, whoever's store and state folder it is."""
    digest = hashlib.sha256(f"{os.getuid()}\n{work}".encode()).hexdigest()[:_DIGITS]
    return f"facejobs-{digest}-{work.parent.name}-{work.name}"


def describe_run(spec: JobSpec, options: ContainerOptions, user: ContainerUser, url: str) -> ContainerRun:
    """The container of the version at `url`, absolute or remote."""
    work = work_folder(url)
    mounts = mounts_of(spec, url, work)
    inputs = {
        name: f"{WORK_INSIDE}/inputs/{name}" if is_remote(place) else place
        for name, place in mounts.spec.inputs.items()
    }
    name = container_name(work)
    return ContainerRun(
        name=name,
        image=spec.image or "IMAGE",
        words=mounts.spec.command_line(inputs, {spec.output: f"{WORK_INSIDE}/output"}),
        variables=_variables(mounts, user, os.environ),
        secrets=list(dict.fromkeys([*storage_credentials(), *spec.secrets])),
        mounts=mounts,
        options=_tool_options(spec, options, user, name, url),
    )


def _variables(mounts: Mounts, user: ContainerUser, environment: Mapping[str, str]) -> dict[str, str]:
    """The boot contract, without secrets, as the container sees it."""
    spec = mounts.spec
    variables = {name: environment[name] for name in _PASSED_ON if environment.get(name)}
    variables |= storage_settings(spec, environment)
    if mounts.ca_bundle:
        variables[CA_BUNDLE] = mounts.ca_bundle
    if not spec.resources.gpus:
        # Images made for CUDA ask for all GPUs, and some machines give them to any container that does.
        variables["NVIDIA_VISIBLE_DEVICES"] = "void"
    if not user.of_image:
        variables["HOME"] = f"{WORK_INSIDE}/tmp"
    if not is_remote(mounts.url):
        variables.setdefault(names.UPLOAD_EVERY, f"{COPY_EVERY:g}")
    return {
        **variables,
        **job_variables(spec, mounts.url),
        names.TASK_INDEX: "0",
        names.TASK_NUMBER: "1",
        names.TASK_HOSTS: "localhost",
        names.WORK: WORK_INSIDE,
        "TMPDIR": f"{WORK_INSIDE}/tmp",
    }


def _tool_options(spec: JobSpec, options: ContainerOptions, user: ContainerUser, name: str, url: str) -> list[str]:
    resources = spec.resources
    job, version = url.split("/")[-2:]
    arguments = [
        *options.extra,
        "--rm",
        f"--name={name}",
        # Not this machine's name, which a network of `host` would give it: its processes have other numbers here.
        f"--hostname={name[: len('facejobs-') + _DIGITS]}",
        f"--label={LABEL_JOB}={job}",
        f"--label={LABEL_VERSION}={version}",
        f"--label={LABEL_URL}={url}",
        # It was pulled, and looked at, before.
        "--pull=never",
        f"--stop-timeout={_STOP_SECONDS}",
        "--security-opt=no-new-privileges",
        f"--shm-size={options.shm_size}",
        *user.arguments,
    ]
    if options.network:
        arguments.append(f"--network={options.network}")
    if resources.cpus:
        arguments.append(f"--cpus={resources.cpus:g}")
    if resources.memory:
        arguments += [f"--memory={resources.memory}", f"--memory-swap={resources.memory}"]
    return arguments
