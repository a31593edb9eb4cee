"""Jobs on this machine: each has a supervisor of its own, which outlives the command line that started it."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from facejobs.errors import FacejobsError
from facejobs.jobs.backends.base import BackendOptions, Plan, QueuedJob
from facejobs.jobs.backends.local_plan import inherited, make_plan, store_url, work_folder
from facejobs.jobs.backends.local_supervisor import Order
from facejobs.jobs.backends.processes import kill_processes_of, processes_of
from facejobs.jobs.backends.slots import pool_for, state_folder
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import effective_state, is_alive, on_this_machine, process_facts
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import ProcessFacts, State, Status, read_status, record
from facejobs.jobs.versions import VersionFolder
from facejobs.storage.errors import NotFoundError
from facejobs.storage.opening import open_store
from facejobs.storage.whole_file import whole_file, write_all

_ORDER = "order.json"
_LOG = "logs/task-0.log"
_SUPERVISOR_LOG = "supervisor.log"
_POLL_SECONDS = 0.3


class LocalOptions(BackendOptions):
    """The backend `local` has none."""


class LocalBackend:
    """The backend `local`."""

    name = "local"

    def __init__(self, options: LocalOptions | None = None) -> None:
        self.options = options or LocalOptions()

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """What `submit` would run; JobError if GPUs cannot be counted."""
        return make_plan(spec, folder_url)

    def submit(self, version: VersionFolder) -> None:
        """Start a supervisor for a version that has not run yet; returns when it answers for the version."""
        status = read_status(version.store)
        if status.supervisor is not None:
            raise JobError(f"{_named(version)} was submitted already; it is {status.state}")
        self._start(version, attempt=1, fresh=True)

    def resume(self, version: VersionFolder) -> None:
        """Start again what FAILED, was STOPPED or LOST, from its newest checkpoint; JobError in any other state.

        A version that was claimed and never started, because its submit was killed, is started.
        """
        status = read_status(version.store)
        state = self._true_state(version, status)
        if state is State.COMPLETED:
            raise JobError(f"{_named(version)} is COMPLETED; `facejobs modify` makes a new version from it")
        if not state.ended and status.supervisor is not None:
            raise JobError(f"{_named(version)} is {state}; stop it first, or wait for it")
        self._start(version, attempt=status.attempt + 1, fresh=False)

    def state(self, version: VersionFolder) -> State:
        """Its state, LOST where nobody answers for it any more."""
        return self._true_state(version, read_status(version.store))

    def _true_state(self, version: VersionFolder, status: Status) -> State:
        state = effective_state(status, version.store)
        if state is State.LOST and processes_of(_work(version)):
            # A task whose supervisor was killed before the task could say that it answers for the version.
            return status.state
        return state

    def _start(self, version: VersionFolder, attempt: int, fresh: bool) -> None:
        spec = version.record.spec
        plan = self.plan(spec, version.url)
        if plan.impossible:
            raise JobError("this machine cannot run the job: " + "; ".join(plan.impossible))
        environment, work = inherited(spec, os.environ), Path(plan.folder)
        folder = Path.cwd() if fresh else _command_folder(work)
        with _locked(work) as lock:
            kill_processes_of(work)
            if fresh:
                _empty(work)
            # Here and not in the supervisor, which takes a moment to start: jobs run in the order of their submits.
            ticket = pool_for(spec.resources.gpus).join()
            order = Order(
                url=store_url(version.url),
                work=plan.folder,
                folder=str(folder),
                command=plan.command,
                environment={name: value for name, value in plan.environment.items() if name not in spec.secrets},
                gpus=spec.resources.gpus,
                attempt=attempt,
                attempts=attempt + spec.retries,
                ticket=str(ticket.path),
                ticket_file=ticket.file,
            )
            with whole_file(work / _ORDER) as file:
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
                [sys.executable, "-m", "facejobs.jobs.backends.local_supervisor"],
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
        position, rest = 0, b""
        while True:
            # Asked before reading: what is logged after an end is not lost.
            ended = not follow or self.state(version).ended
            data = self._read_log(version, position)
            position += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
            if ended:
                if rest:
                    yield rest.decode(errors="replace")
                return
            if not data:
                time.sleep(_POLL_SECONDS)

    def _read_log(self, version: VersionFolder, start: int) -> bytes:
        """The log from a byte on: from the task's own file while that is here, else from the store."""
        process = read_status(version.store).supervisor
        if process is not None and on_this_machine(process):
            with contextlib.suppress(OSError), (_work(version) / "tmp" / "dls-task-0.log").open("rb") as file:
                file.seek(start)
                return file.read()
        with contextlib.suppress(NotFoundError):
            return version.store.read(_LOG, start)
        return b""

    def list(self) -> list[QueuedJob]:
        """The jobs of this machine whose supervisor, or task, still runs; a job of a lost store is left out."""
        found = []
        for path in sorted((state_folder() / "work").glob(f"*/*/*/{_ORDER}")):
            with contextlib.suppress(FacejobsError, OSError, ValueError, TypeError):
                url = Order.from_json(path.read_text(encoding="utf-8")).url
                status = read_status(open_store(url))
                state = effective_state(status, open_store(url))
                if not state.ended and status.supervisor is not None:
                    job, version = url.split("/")[-2:]
                    found.append(QueuedJob(str(status.supervisor.pid), job, version, state, "running", url))
        return found

    def stop(self, version: VersionFolder, kill: bool = False) -> None:
        """Ask it to save and end, or with `kill` end it now; returns when it has ended. JobError if it had before."""
        status = read_status(version.store)
        state = self._true_state(version, status)
        if state.ended:
            raise JobError(f"{_named(version)} is {state}: there is nothing to stop")
        process = _answerable(version, status)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM if not kill else signal.SIGUSR1)
        if kill and process != status.supervisor:
            # Nobody watches over the task any more, so nobody else would say how it ended.
            kill_processes_of(_work(version))
            record(version.store, State.STOPPED, "killed on request", 128 + signal.SIGKILL)
        while not self.state(version).ended:
            time.sleep(_POLL_SECONDS)


def _named(version: VersionFolder) -> str:
    return f"{version.job} {version.name}"


def _work(version: VersionFolder) -> Path:
    return work_folder(store_url(version.url))


def _answerable(version: VersionFolder, status: Status) -> ProcessFacts:
    """The process to ask: the supervisor, or the task itself where that died."""
    for process in (status.supervisor, status.task):
        if process is not None and on_this_machine(process) and is_alive(process):
            return process
    hosts = sorted({process.host for process in (status.supervisor, status.task) if process is not None})
    where = (
        f"it runs on {', '.join(hosts)}; stop it there"
        if hosts
        else f"it was never started; facejobs resume {_named(version)} starts it"
    )
    raise JobError(f"{_named(version)} does not run on this machine: {where}")


def _command_folder(work: Path) -> Path:
    """Where the command starts: where the job was submitted, or here, where it is submitted now or was elsewhere."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        folder = Path(Order.from_json((work / _ORDER).read_text(encoding="utf-8")).folder)
        if folder.is_dir():
            return folder
    return Path.cwd()


def _empty(work: Path) -> None:
    """Remove what a job of the same name and number left, from a store that is there no more."""
    for path in work.iterdir():
        if path.name != _LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


_LOCK = "supervisor.lock"
# A supervisor that has recorded the end of its job tidies up before it ends itself.
_LOCK_SECONDS = 15.0


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[int]:
    """The work folder's lock, as an open file that a supervisor inherits; JobError if one holds it already."""
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(work / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise JobError(f"another process is starting this job, or runs it, in {work}") from None
            time.sleep(_POLL_SECONDS)
        yield file
    finally:
        os.close(file)
