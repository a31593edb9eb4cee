"""As whom a task runs in its container, so that what it writes on this machine belongs to whoever submitted it.

Rootless podman and docker, and docker with users remapped, give numbers of the container other numbers outside;
tools that run as root do not.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from facejobs.jobs.backends.container_tool import ContainerTool

_NUMBERS = re.compile(r"(\d+)(?::(\d+))?", re.ASCII)


@dataclass(frozen=True)
class ContainerUser:
    """`arguments` for the tool; `owner`, who is given the folders first: UID or UID:GID, empty for the image's.

    An image may not know a user that is not its own, who then has no home there.
    """

    arguments: tuple[str, ...]
    owner: str | None
    described: str

    @property
    def of_image(self) -> bool:
        """Whether it is the image's own user."""
        return self.owner == ""


def choose_user(tool: ContainerTool, wanted: str | None) -> ContainerUser:
    """Whom the task runs as: `wanted`, UID[:GID], else the submitter, or the image's user where root submits."""
    uid, gid = os.getuid(), os.getgid()
    if uid == 0 and wanted is None:
        return ContainerUser(_not_remapped(tool), owner="", described="the user of the image, as root submits")
    user = wanted or f"{uid}:{gid}"
    if tool.name == "docker" and tool.rootless:
        # There root is the submitter, and everybody else is nobody whom this machine knows.
        user = wanted or "0:0"
    mapping = ("--userns=keep-id",) if tool.name == "podman" and tool.rootless else _not_remapped(tool)
    # Only root can give anything away.
    owner = wanted if uid == 0 else None
    return ContainerUser((*mapping, f"--user={user}"), owner, described=f"{user}, who owns what it writes")


def _not_remapped(tool: ContainerTool) -> tuple[str, ...]:
    return ("--userns=host",) if tool.remapped else ()


def numbers_of(user: str) -> tuple[int, int] | None:
    """UID and GID of an image's USER, root where it names nobody, GID -1 where it names no group; None for names."""
    if not user:
        return 0, 0
    match = _NUMBERS.fullmatch(user)
    return (int(match[1]), int(match[2] or -1)) if match else None


def give_away(folders: list[str], owner: tuple[int, int]) -> None:
    """Make `owner` the owner of folders and all that is in them, links themselves included; raises OSError."""
    for folder in folders:
        os.chown(folder, *owner)
        for parent, names, files in os.walk(folder):
            for name in (*names, *files):
                # A heartbeat that was just renamed is no error.
                with contextlib.suppress(FileNotFoundError):
                    os.chown(Path(parent, name), *owner, follow_symlinks=False)
