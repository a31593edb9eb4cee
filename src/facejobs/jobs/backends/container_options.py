"""What a spec says to the backend `container`."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, StrictInt, StrictStr, field_validator

from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.backends.container_tool import ToolName
from facejobs.jobs.quantities import parse_memory
from facejobs.jobs.secrets import looks_secret

_USER = re.compile(r"\d{1,10}(:\d{1,10})?", re.ASCII)
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=-]*", re.ASCII)
# What the supervisor relies on; another value would leave containers behind, or jobs that nobody finds.
_OWN = (
    "--cidfile",
    "--detach",
    "-d",
    "--entrypoint",
    "--help",
    "--label",
    "-l",
    "--name",
    "--pull",
    "--restart",
    "--rm",
)
_SHARED_MEMORY = 1 << 30  # bytes


def _memory(value: object) -> object:
    return parse_memory(value) if isinstance(value, str) else value


def _words(value: object) -> object:
    """On the command line a list is one text: its words are parted by spaces."""
    return value.split() if isinstance(value, str) else value


class ContainerOptions(BackendOptions):
    """Options of the backend `container`."""

    tool: ToolName | None = Field(None, description="podman or docker; default: the first of them that works here")
    network: StrictStr | None = Field(
        None, description="network of the container: host, or one of the tool's; default: the tool's own"
    )
    shm_size: Annotated[StrictInt, BeforeValidator(_memory), Field(gt=0)] = Field(
        _SHARED_MEMORY, description="size of /dev/shm, which worker processes share, in bytes or as 2GiB"
    )
    user: StrictStr | None = Field(
        None, description="UID or UID:GID that the task runs as; default: yours, and the image's user if you are root"
    )
    extra: Annotated[list[StrictStr], BeforeValidator(_words)] = Field(
        default_factory=list, description="more options of `podman run` or `docker run`, such as [--ulimit, core=0]"
    )

    @field_validator("user", mode="before")
    @classmethod
    def _check_user(cls, user: object) -> object:
        user = str(user) if type(user) is int else user
        if isinstance(user, str) and not _USER.fullmatch(user):
            raise ValueError("expected numbers, UID or UID:GID, such as 1000:100")
        return user

    @field_validator("network")
    @classmethod
    def _check_network(cls, network: str | None) -> str | None:
        if network is not None and not _NETWORK.fullmatch(network):
            raise ValueError("expected the name of a network, such as host")
        return network

    @field_validator("extra")
    @classmethod
    def _check_extra(cls, extra: list[str]) -> list[str]:
        if extra and not extra[0].startswith("-"):
            raise ValueError("expected options, the first of which begins with '-'")
        for word in extra:
            name = word.partition("=")[0]
            if name in _OWN or word == "--":
                raise ValueError(f"the option {name} is up to facejobs: leave it out")
            for part in (name, word.removeprefix("--env=").removeprefix("-e").partition("=")[0]):
                if "=" in word and looks_secret(part):
                    raise ValueError(f"the variable {part} looks like a secret: name it in 'secrets' of the spec")
        return extra
