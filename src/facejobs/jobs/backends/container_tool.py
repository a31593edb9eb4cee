"""podman and docker: which of them works here, and the few of their commands that a job needs."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from facejobs.jobs.errors import JobError
from facejobs.jobs.image.reference import parse_reference
from facejobs.jobs.image.registry_errors import explain
from facejobs.jobs.image.resolve import starts_run_train, without_entry_point
from facejobs.jobs.image.tool import Tool, ask, last_line, run_showing

ToolName = Literal["podman", "docker"]
TOOLS: tuple[ToolName, ...] = ("podman", "docker")
_ASK_SECONDS = 60.0
_ENDED = ("exited", "dead", "stopped", "removing")


@dataclass(frozen=True)
class ImageFacts:
    """What an image of this machine says about itself: USER, ENTRYPOINT."""

    user: str
    entry_point: tuple[str, ...]

    def fault(self, image: str) -> str | None:
        """Why no job can run in it, in words; None if one can."""
        return None if starts_run_train(self.entry_point) else str(without_entry_point(image, self.entry_point))


@dataclass(frozen=True)
class ContainerTool(Tool):
    """A tool that answers. `rootless`: root in a container is you; `remapped`: docker gives users other numbers."""

    rootless: bool = False
    remapped: bool = False

    def image(self, image: str) -> ImageFacts | None:
        """Facts of an image; None if it is not on this machine."""
        result = self._ask("image", "inspect", image)
        if result.returncode:
            return None
        config = json.loads(result.stdout)[0].get("Config") or {}
        return ImageFacts(user=config.get("User") or "", entry_point=tuple(config.get("Entrypoint") or ()))

    def pull(self, image: str, show: Callable[[str], None]) -> None:
        """Fetch an image, telling `show` each line of the tool; JobError in words if that fails."""
        reference = parse_reference(image)
        # docker asks a registry of this machine over plain HTTP by itself.
        plain = ["--tls-verify=false"] if self.name == "podman" and reference.on_this_machine else []
        code, output = run_showing(self, ["pull", *plain, image], show)
        if code:
            raise explain(reference, output)

    def inspect(self, container: str) -> dict[str, Any] | None:
        """What the tool knows of a container; None if there is none of that name, JobError if it does not say."""
        result = self._ask("container", "inspect", container)
        if not result.returncode:
            return dict(json.loads(result.stdout)[0])
        if "no such container" in result.stderr.lower():
            return None
        raise JobError(f"{self.name} does not say how container {container} is: {last_line(result.stderr)}")

    def is_running(self, container: str) -> bool:
        """Whether a container of that name is there and has not ended."""
        facts = self.inspect(container)
        return facts is not None and not has_ended(facts)

    def signal(self, container: str, name: str) -> None:
        """Send a signal to the first process of a container; one that is gone is no error."""
        self._ask("kill", f"--signal={name}", container)

    def remove(self, container: str) -> None:
        """End a container at once and remove it; one that is gone is no error."""
        # podman's `rm --force` alone lets a container save for as long as its `--stop-timeout` says.
        self._ask("kill", "--signal=KILL", container)
        self._ask("rm", "--force", container)

    def containers(self, label: str) -> list[dict[str, Any]]:
        """What the tool knows of every container with this label, ended ones included; JobError if it does not say."""
        listed = self._ask("ps", "--all", "--quiet", "--no-trunc", f"--filter=label={label}")
        if listed.returncode:
            raise JobError(f"{self.name} does not list its containers: {last_line(listed.stderr)}")
        found = [self.inspect(number) for number in listed.stdout.split()]
        return [facts for facts in found if facts is not None]

    def _ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return ask(self, arguments, _ASK_SECONDS)


def has_ended(facts: dict[str, Any]) -> bool:
    """Whether a container, as the tool describes it, runs no more: to remove it can take a while."""
    return facts["State"]["Status"] in _ENDED


def find_tool(wanted: str | None = None) -> ContainerTool:
    """The tool that is wanted, else the first of podman and docker that answers; JobError says why none does."""
    faults = []
    for name in (wanted,) if wanted else TOOLS:
        path = shutil.which(name)
        if path is None:
            faults.append(f"{name} is not installed, or not in PATH")
            continue
        try:
            return _contact(name, path)
        except JobError as error:
            faults.append(str(error))
    raise JobError("; ".join(faults) + ("" if wanted else ": install one of them, or start docker's daemon"))


def _contact(name: str, path: str) -> ContainerTool:
    answer = ask(Tool(name, path), ["info", "--format", "{{json .}}"], _ASK_SECONDS)
    try:
        facts = json.loads(answer.stdout)
    except ValueError:
        facts = {}
    errors = facts.get("ServerErrors") or []
    if answer.returncode or errors or not facts:
        raise JobError(f"{name} does not work here: {errors[0] if errors else last_line(answer.stderr)}")
    if name == "podman":
        return ContainerTool(name, path, rootless=bool(facts.get("host", {}).get("security", {}).get("rootless")))
    security = [str(item).split(",")[0] for item in facts.get("SecurityOptions") or []]
    return ContainerTool(name, path, rootless="name=rootless" in security, remapped="name=userns" in security)
