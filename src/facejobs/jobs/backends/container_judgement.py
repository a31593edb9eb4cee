"""What of a job spec a container on this machine does as asked, what in another way, and what not at all."""

import ipaddress
import os
from urllib.parse import urlsplit

from facejobs.jobs.backends.container_options import ContainerOptions
from facejobs.jobs.backends.container_run import ContainerRun
from facejobs.jobs.backends.container_tool import ContainerTool
from facejobs.jobs.backends.container_user import ContainerUser, numbers_of
from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.this_machine import judge_attempts, judge_machine
from facejobs.jobs.spec import JobSpec
from facejobs.storage import environment as names
from facejobs.storage.url import is_remote

_ENDPOINTS = (names.S3_ENDPOINT, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


class Judgement:
    """`honoured`, `emulated` and `impossible` of a plan, made field by field."""

    def __init__(self, spec: JobSpec, options: ContainerOptions, run: ContainerRun, user: ContainerUser) -> None:
        self._spec, self._options, self._run, self._user = spec, options, run, user
        self.honoured = ["command", "parameters"]
        self.emulated: list[str] = []
        self.impossible: list[str] = []

    def judge(self, tool: ContainerTool | str) -> None:
        """Judge everything; `tool` is the tool, or why there is none."""
        if isinstance(tool, str):
            self.impossible.append(f"tool: {tool}")
        self._paths()
        self._image(tool if isinstance(tool, ContainerTool) else None)
        judge_attempts(self._spec, self.honoured)
        self._machine()
        self._endpoint()

    def _paths(self) -> None:
        spec = self._spec
        local = [name for name, place in spec.inputs.items() if not is_remote(place)]
        self.honoured.append("inputs" + (f": {', '.join(local)} mounted, read-only" if local else ""))
        self.honoured += ["outputs", "environment"]
        self.honoured.append("secrets: given to the tool by name, their values by its environment")
        for mount in self._run.mounts.mounts:
            if mount.fault:
                self.impossible.append(f"inputs, outputs: {mount.fault}")

    def _image(self, tool: ContainerTool | None) -> None:
        image = self._spec.image
        if not image:
            self.impossible.append("image: a container needs one, and the spec names none")
            return
        facts = tool.image(image) if tool else None
        fault = facts.fault(image) if facts else None
        if fault:
            self.impossible.append(f"image: {fault}")
        elif facts and self._user.of_image and numbers_of(facts.user) is None:
            self.impossible.append(f"image: {without_number(facts.user)}")
        else:
            self.honoured.append(f"image: run by its digest, as {self._user.described}")

    def _machine(self) -> None:
        resources = self._spec.resources
        judge_machine(resources, "container", "; the container sees no other", self.honoured, self.impossible)
        if resources.gpu_type is not None and not unsupported_gpu(resources.gpu_type):
            self.emulated.append(f"resources.gpu_type: {resources.gpu_type} is recorded; this machine is as it is")
        if resources.cpus is not None:
            self.honoured.append(f"resources.cpus: at most the time of {resources.cpus:g}; none is kept free for it")
        if resources.memory is not None:
            self.honoured.append(f"resources.memory: killed beyond {resources.memory} bytes; none is kept free for it")

    def _endpoint(self) -> None:
        """A loopback address in a network of its own is the container itself."""
        spec, run = self._spec, self._run
        urls = (run.mounts.url, *spec.inputs.values(), spec.output_url or "")
        host_network = self._options.network == "host" or "--network=host" in self._options.extra
        if host_network or not any(map(is_remote, urls)):
            return
        for name in _ENDPOINTS:
            address = {**os.environ, **spec.environment}.get(name, "")
            if _is_loopback(address):
                self.impossible.append(
                    f"network: {name} is {address}, where a container finds only itself: "
                    "set the option network to host, or give the address by which others reach it"
                )


def without_number(user: str) -> str:
    """What to do about an image whose user has a name only, where root submits."""
    return (
        f"it runs as {user!r}, and by this name alone nothing can be given to that user: "
        "set the option user to UID:GID, or build the image with USER UID:GID"
    )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
