"""What the backends of this machine share: each job has a supervisor of its own, which outlives the command line."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from facejobs.errors import FacejobsError
from facejobs.jobs.backends.base import BackendOptions, Plan, QueuedJob
from facejobs.jobs.backends.first_task_log import log_lines, stored_log
from facejobs.jobs.backends.local_plan import inherited, store_url, work_folder
from facejobs.jobs.backends.local_supervisor import Order
from facejobs.jobs.backends.resuming import require_resumable
from facejobs.jobs.backends.slots import Ticket, pool_for, state_folder
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import effective_state, is_alive, on_this_machine, process_facts
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, read_status, record
from facejobs.jobs.versions import VersionFolder
from facejobs.storage.opening import open_store
from facejobs.storage.whole_file import whole_file, write_all

ORDER = "order.json"
_SUPERVISOR_LOG = "supervisor.log"
_POLL_SECONDS = 0.3


class SupervisedBackend(ABC):
    """A backend whose jobs run on this machine, each watched over by a process of `supervisor_module`."""

    name: str
    options: BackendOptions
    supervisor_module: ClassVar[str]
    order_type: ClassVar[type[Order]] = Order

    @abstractmethod
    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """What `submit` would run."""

    def spec_of(self, version: VersionFolder) -> JobSpec:
        """The spec that is run."""
        return version.record.spec

    def environment_of(self, spec: JobSpec) -> dict[str, str]:
        """The environment of the supervisor; JobError if a secret is not set."""
        return inherited(spec, os.environ)

    @abstractmethod
    def task_folder(self, work: Path) -> Path:
        """Where the task itself works, in the work folder of its version."""

    @abstractmethod
    def make_order(self, version: VersionFolder, attempt: int, folder: str, ticket: Ticket) -> Order:
        """What the supervisor is told; `folder` is where the job was submitted."""

    @abstractmethod
    def lives(self, work: Path) -> bool:
        """Whether the task of this work folder runs, supervised or not."""

    @abstractmethod
    def kill(self, work: Path) -> None:
        """End the task of this work folder at once, if it runs."""

    @abstractmethod
    def ask(self, version: VersionFolder, status: Status) -> None:
        """Ask a task that has no supervisor any more to save and end; JobError if it cannot be asked."""

    def submit(self, version: VersionFolder) -> None:
        """Start a supervisor for a version that has not run yet; returns when it answers for the version."""
        status = read_status(version.store)
        if status.supervisor is not None:
            raise JobError(f"{version} was submitted already; it is {status.state}")
        self._start(version, attempt=1, fresh=True)

    def resume(self, version: VersionFolder) -> None:
        """Start again what FAILED, was STOPPED or LOST, from its newest checkpoint; JobError in any other state.

        A version that was claimed and never started, because its submit was killed, is started.
        """
        status = read_status(version.store)
        state = self.true_state(version, status)
        require_resumable(version, state, submitted=status.supervisor is not None)
        self._start(version, attempt=status.attempt + 1, fresh=False)

    def state(self, version: VersionFolder) -> State:
        """Its state, LOST where nobody answers for it any more."""
        return self.true_state(version, read_status(version.store))

    def true_state(self, version: VersionFolder, status: Status) -> State:
        """What `status` amounts to, given which processes live."""
        state = effective_state(status, version.store)
        if state is State.LOST and self.lives(work_of(version)):
            # A task whose supervisor was killed before the task could say that it answers for the version.
            return status.state
        return state

    def _start(self, version: VersionFolder, attempt: int, fresh: bool) -> None:
        spec = self.spec_of(version)
        plan = self.plan(spec, version.url)
        if plan.impossible:
            raise JobError("this machine cannot run the job: " + "; ".join(plan.impossible))
        environment, work = self.environment_of(spec), work_of(version)
        folder = Path.cwd() if fresh else self._command_folder(work)
        with _locked(work, lambda: read_status(version.store).state.ended) as lock:
            self.kill(work)
            if fresh:
                _empty(work)
            # Here and not in the supervisor, which takes a moment to start: jobs run in the order of their submits.
            ticket = pool_for(spec.resources.gpus).join()
            order = self.make_order(version, attempt, str(folder), ticket)
            with whole_file(work / ORDER) as file:
                write_all(file, order.to_json().encode(), 0)
            try:
                self._launch(version, order, environment, lock)
            except BaseException:
                ticket.close()
                raise
            os.close(ticket.file)

    def _launch(self, version: VersionFolder, order: Order, environment: dict[str, str], lock: int) -> None:
        """Start the supervisor; it waits for its order until the version names it as the one who answers."""
        with (Path(order.work) / _SUPERVISOR_LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.supervisor_module],
                cwd=order.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock, order.ticket_file],
            )
        assert process.stdin is not None
        try:
            record(version.store, State.PENDING, attempt=order.attempt, supervisor=process_facts(process.pid))
            process.stdin.write(order.to_json().encode() + b"\n")
            process.stdin.close()
        except BaseException:
            process.kill()
            raise
        # Not waited for: it outlives this process, which must not warn about that.
        process.returncode = 0

    def logs(self, version: VersionFolder, follow: bool = False) -> Iterator[str]:
        """Lines of the log so far; with `follow` also those to come, until the version has ended."""
        read = partial(self._read_log, version)
        return log_lines(read, lambda: self.state(version).ended, follow, _POLL_SECONDS)

    def _read_log(self, version: VersionFolder, start: int) -> bytes:
        """The log from a byte on: from the task's own file while that is here, else from the store."""
        process = read_status(version.store).supervisor
        if process is not None and on_this_machine(process):
            path = self.task_folder(work_of(version)) / "tmp" / "dls-task-0.log"
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(start)
                return file.read()
        return stored_log(version.store, start)

    def list(self) -> list[QueuedJob]:
        """The jobs of this machine whose supervisor, or task, still runs; a job of a lost store is left out."""
        found = []
        for path in sorted((state_folder() / "work").glob(f"*/*/*/{ORDER}")):
            with contextlib.suppress(FacejobsError, OSError, ValueError, TypeError):
                url = self.order_type.from_json(path.read_text(encoding="utf-8")).url
                status = read_status(open_store(url))
                state = effective_state(status, open_store(url))
                if not state.ended and status.supervisor is not None:
                    job, version = url.split("/")[-2:]
                    native = "running" if state is State.RUNNING else "waiting"
                    found.append(QueuedJob(str(status.supervisor.pid), job, version, state, native, url))
        return found

    def stop(self, version: VersionFolder, kill: bool = False) -> None:
        """Ask it to save and end, or with `kill` end it now; returns when it has ended. JobError if it had before."""
        status = read_status(version.store)
        state = self.true_state(version, status)
        if state.ended:
            raise JobError(f"{version} is {state}: there is nothing to stop")
        supervisor = status.supervisor
        if supervisor is not None and on_this_machine(supervisor) and is_alive(supervisor):
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor.pid, signal.SIGTERM if not kill else signal.SIGUSR1)
        elif kill and self.lives(work_of(version)):
            # Nobody watches over the task any more, so nobody else would say how it ended.
            self.kill(work_of(version))
            record(version.store, State.STOPPED, "killed on request", 128 + signal.SIGKILL)
        else:
            self.ask(version, status)
        while not self.state(version).ended:
            time.sleep(_POLL_SECONDS)

    def _command_folder(self, work: Path) -> Path:
        """Where the command starts: where the job was submitted, or here, where it is submitted or was elsewhere."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            folder = Path(self.order_type.from_json((work / ORDER).read_text(encoding="utf-8")).folder)
            if folder.is_dir():
                return folder
        return Path.cwd()


def work_of(version: VersionFolder) -> Path:
    """The work folder of a version on this machine."""
    return work_folder(store_url(version.url))


def not_here(version: VersionFolder, status: Status) -> JobError:
    """Says where the version runs, if anywhere, as it does not run on this machine."""
    hosts = sorted({process.host for process in (status.supervisor, status.task) if process is not None})
    where = (
        f"it runs on {', '.join(hosts)}; stop it there"
        if hosts
        else f"it was never started; facejobs resume {version} starts it"
    )
    return JobError(f"{version} does not run on this machine: {where}")


def _empty(work: Path) -> None:
    """Remove what a job of the same name and number left, from a store that is there no more."""
    for path in work.iterdir():
        if path.name != _LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


_LOCK = "supervisor.lock"
# A supervisor that has recorded the end of its job tidies up before it ends itself.
_LOCK_SECONDS = 15.0
# A supervisor that has said how the job ended may still be removing its container.
_CLEANING_SECONDS = 180.0


@contextlib.contextmanager
def _locked(work: Path, cleaning: Callable[[], bool]) -> Iterator[int]:
    """The work folder's lock, as an open file that a supervisor inherits; JobError if one holds it already.

    One that is only `cleaning` up after a job that has ended is waited for longer.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(work / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began = time.monotonic()
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = time.monotonic() - began
                if waited > _CLEANING_SECONDS or (waited > _LOCK_SECONDS and not cleaning()):
                    raise JobError(f"another process is starting this job, or runs it, in {work}") from None
            time.sleep(_POLL_SECONDS)
        yield file
    finally:
        os.close(file)
