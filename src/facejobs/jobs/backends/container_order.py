"""What the supervisor of a container must know beside what every supervisor does."""

from dataclasses import dataclass
from pathlib import Path

from facejobs.jobs.backends.local_supervisor import Order


@dataclass(frozen=True)
class ContainerOrder(Order):
    """`command` is the tool's whole command line; `shared` are the folders that the container writes to.

    `owner`, UID or UID:GID, gets these before each attempt; empty: the user of the image; None: nobody does.
    """

    tool: str
    container: str
    image: str
    shared: list[str]
    owner: str | None


def task_folder(work: Path) -> Path:
    """The part of a work folder that a container sees; the supervisor's own files are beside it."""
    return work / "task"
