"""Jobs on this machine, run with what is installed here."""

import os
import signal
from pathlib import Path

from facejobs.jobs.backends.base import BackendOptions, Plan
from facejobs.jobs.backends.local_plan import make_plan, store_url
from facejobs.jobs.backends.local_supervisor import Order
from facejobs.jobs.backends.processes import kill_processes_of, processes_of
from facejobs.jobs.backends.slots import Ticket
from facejobs.jobs.backends.supervised import SupervisedBackend, not_here
from facejobs.jobs.liveness import is_alive, on_this_machine
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import Status
from facejobs.jobs.versions import VersionFolder


class LocalOptions(BackendOptions):
    """The backend `local` has none."""


class LocalBackend(SupervisedBackend):
    """The backend `local`."""

    name = "local"
    supervisor_module = "facejobs.jobs.backends.local_supervisor"

    def __init__(self, options: LocalOptions | None = None) -> None:
        self.options = options or LocalOptions()

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """What `submit` would run; JobError if GPUs cannot be counted."""
        return make_plan(spec, folder_url)

    def make_order(self, version: VersionFolder, attempt: int, folder: str, ticket: Ticket) -> Order:
        """The plan's command and environment, without its secrets."""
        spec = version.record.spec
        plan = self.plan(spec, version.url)
        return Order(
            url=store_url(version.url),
            work=plan.folder,
            folder=folder,
            command=plan.command,
            environment={name: value for name, value in plan.environment.items() if name not in spec.secrets},
            gpus=spec.resources.gpus,
            attempt=attempt,
            attempts=attempt + spec.retries,
            ticket=str(ticket.path),
            ticket_file=ticket.file,
        )

    def task_folder(self, work: Path) -> Path:
        """The work folder itself."""
        return work

    def lives(self, work: Path) -> bool:
        """Whether a process names the work folder in its environment."""
        return bool(processes_of(work))

    def kill(self, work: Path) -> None:
        """Kill those processes."""
        kill_processes_of(work)

    def ask(self, version: VersionFolder, status: Status) -> None:
        """SIGTERM to the task that the version names."""
        task = status.task
        if task is None or not on_this_machine(task) or not is_alive(task):
            raise not_here(version, status)
        os.kill(task.pid, signal.SIGTERM)
