"""`facejobs image build`: from a clone of the repository to an image on this machine."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facejobs import __version__
from facejobs.jobs.code_facts import gather_code
from facejobs.jobs.errors import SpecError
from facejobs.jobs.image.errors import ImageError
from facejobs.jobs.image.reference import parse_reference
from facejobs.jobs.image.tool import Tool, last_line, run_showing
from facejobs.jobs.secrets import holds_credentials

Device = Literal["gpu", "cpu"]
_GIT_SECONDS = 10.0
# 0 is root, and the last one means "no user" to the kernel.
_UIDS = range(1, 2**32 - 1)


@dataclass(frozen=True)
class BuildOrder:
    """What is built: `context` is the clone, `base` an image of Debian bookworm, None for the Dockerfile's own."""

    context: Path
    tag: str
    device: Device = "gpu"
    base: str | None = None
    uid: int = 1000
    options: tuple[str, ...] = ()


def build_image(order: BuildOrder, tool: Tool, show: Callable[[str], None] | None = None) -> None:
    """Build an image; lines of the tool's output go to `show`. Raises ImageError, SpecError."""
    code, output = run_showing(tool, build_arguments(order), show)
    if code:
        cause = next((line for line in output.splitlines() if "error:" in line.lower()), last_line(output))
        raise ImageError(f"{tool.name} could not build {order.tag}: {cause.strip()}\nits output above says more")


def build_arguments(order: BuildOrder) -> list[str]:
    """The arguments of docker, podman and buildah alike; SpecError, ImageError for an order that cannot be built."""
    context = order.context.resolve()
    if not (context / "Dockerfile").is_file():
        raise ImageError(f"{context} has no Dockerfile: name a clone of facejobs' repository")
    tag = parse_reference(order.tag)
    if tag.digest:
        raise SpecError(f"{order.tag} names a digest, which only a finished image has: name a tag")
    if order.uid not in _UIDS:
        raise SpecError(f"--uid {order.uid}: the user of the image is a number from 1 to {_UIDS[-1]}; root is none")
    values = {"DEVICE": order.device, "UID": str(order.uid), "VERSION": __version__, **_source(context)}
    if order.base is not None:
        values["BASE_IMAGE"] = str(parse_reference(order.base))
    arguments = [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]
    file = str(context / "Dockerfile")
    return ["build", "--file", file, "--tag", str(tag), *arguments, *order.options, str(context)]


def _source(context: Path) -> dict[str, str]:
    """Revision and address of the clone, as far as git knows them; never an address with a password in it."""
    code, _ = gather_code(context)
    if code.commit is None:
        return {}
    values = {"REVISION": code.commit + ("-dirty" if code.dirty else "")}
    origin = _git(context, "config", "--get", "remote.origin.url")
    if origin and not holds_credentials(origin):
        values["SOURCE"] = origin
    return values


def _git(folder: Path, *arguments: str) -> str:
    command: Sequence[str] = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
