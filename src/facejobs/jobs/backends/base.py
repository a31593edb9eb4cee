"""What every backend can do, and its answer to "what would run?"."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State
from facejobs.jobs.versions import VersionFolder

HIDDEN = "***"


class BackendOptions(BaseModel):
    """What a spec says to one backend only, under `backends.NAME`; each backend describes its own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Plan:
    """Exactly what would run, before anything does.

    `command` is what runs in each task, `environment` what it is given (`***` stands for the value of a secret),
    `folder` its work folder. `request` is what the backend sends to whoever runs it: a script, or the JSON-ready body
    of a request; None where the command itself is all. `honoured`, `emulated` and `impossible` say of each field of the
    spec what this backend makes of it; a spec with something impossible is refused.
    """

    backend: str
    command: list[str]
    environment: dict[str, str]
    folder: str
    request: Any = None
    honoured: list[str] = field(default_factory=list)
    emulated: list[str] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON-ready values."""
        return dict(vars(self))


@dataclass(frozen=True)
class QueuedJob:
    """A job that a backend runs or holds in its queue: its native number, whose version it is, how it stands."""

    id: str
    job: str
    version: str
    state: State
    native_state: str
    url: str = ""


class Backend(Protocol):
    """A place that runs versions. Every method raises JobError in words, or StorageError of the version's store."""

    name: str
    options: Any

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """What `submit` would run; `folder_url` is the version folder, unknown before a number is claimed."""

    def submit(self, version: VersionFolder) -> None:
        """Start a version that has not run yet; returns at once."""

    def resume(self, version: VersionFolder) -> None:
        """Start a version again from its checkpoints, after it FAILED, was STOPPED or LOST."""

    def state(self, version: VersionFolder) -> State:
        """Its state as it truly is: LOST where nobody answers for it any more."""

    def logs(self, version: VersionFolder, follow: bool = False) -> Iterator[str]:
        """Lines of its log, without newlines; with `follow`, until the version has ended."""

    def stop(self, version: VersionFolder, kill: bool = False) -> None:
        """Ask it to save and end, or with `kill` end it now; returns when it has ended."""

    def list(self) -> list[QueuedJob]:
        """What it runs or holds in its queue now, of any store."""
