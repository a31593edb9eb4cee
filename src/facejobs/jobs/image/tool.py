"""The container tools of this machine, and how they are run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facejobs.jobs.image.errors import ImageError

BUILDERS = ("docker", "podman", "buildah")
_ASK_SECONDS = 20.0
_TAIL_LINES = 15
# As skopeo reports: time="…" level=fatal msg="…"
_LOGGED = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
_INSTALL = "install one of them (Debian and Ubuntu: apt-get install buildah skopeo)"


@dataclass(frozen=True)
class Tool:
    """A program that works with images: its name and its path."""

    name: str
    path: str

    @property
    def environment(self) -> dict[str, str]:
        """Messages in English, because errors are told apart by them; BuildKit, which mounts files into a build."""
        return {**os.environ, "LC_ALL": "C", "DOCKER_BUILDKIT": "1"}


def find_builder(name: str | None = None) -> Tool:
    """docker, podman or buildah, the first that works here, or the one that is named; ImageError if there is none.

    docker without its daemon does not work.
    """
    if name is not None and name not in BUILDERS:
        raise ImageError(f"{name!r} is no tool for images that facejobs knows: there is {', '.join(BUILDERS)}")
    reasons = []
    for candidate in (name,) if name else BUILDERS:
        path = shutil.which(candidate)
        if path is None:
            continue
        tool = Tool(candidate, path)
        problem = _daemon_problem(tool) if candidate == "docker" else None
        if problem is None:
            return tool
        reasons.append(problem)
    wanted = name or f"{', '.join(BUILDERS[:-1])} or {BUILDERS[-1]}"
    if reasons:
        raise ImageError(f"{'; '.join(reasons)}; start the daemon, or install podman or buildah")
    install = "install it, or leave out --tool to take another" if name else _INSTALL
    raise ImageError(f"{wanted} is needed and is not installed here: {install}")


def _daemon_problem(docker: Tool) -> str | None:
    answer = ask(docker, ["version", "--format", "{{.Server.Version}}"], _ASK_SECONDS)
    return None if answer.returncode == 0 else f"docker is installed, but {last_line(answer.stderr)}"


def ask(tool: Tool, arguments: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    """Run a tool for its answer; ImageError if it cannot be run, or does not end in time."""
    try:
        return subprocess.run(
            [tool.path, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            env=tool.environment,
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"{tool.name} did not answer within {seconds:g} s: {shlex.join(arguments)}") from None
    except OSError as error:
        raise ImageError(f"{tool.path} cannot be run: {error.strerror}") from None


def run_showing(tool: Tool, arguments: Sequence[str], show: Callable[[str], None] | None = None) -> tuple[int, str]:
    """Run a tool, passing on each line of its output; its exit code and its last lines.

    Lines go to standard error by default, so that standard output holds the answer alone. Raises ImageError.
    """
    show = show or (lambda line: print(line, file=sys.stderr, flush=True))
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        process = subprocess.Popen(
            [tool.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=tool.environment,
        )
    except OSError as error:
        raise ImageError(f"{tool.path} cannot be run: {error.strerror}") from None
    try:
        for line in process.stdout or ():
            tail.append(line.rstrip("\n"))
            show(tail[-1])
        return process.wait(), "\n".join(tail)
    finally:
        # Whoever interrupts facejobs, or spoils its output, ends the tool with it.
        if process.poll() is None:
            process.terminate()
            process.wait()


def last_line(text: str) -> str:
    """The last line that says something, without the time and level around it; tools put the cause there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "it says nothing about why"
    logged = _LOGGED.search(lines[-1])
    return re.sub(r"\\(.)", r"\1", logged[1]) if logged else lines[-1]
