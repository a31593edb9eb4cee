"""The process that answers for one job on this machine: waits for its turn, runs run_train.sh, tries again.

Started by `local.py` in a session of its own; its order comes on stdin, and without one it ends at once, so that a
submit that was killed half-way leaves nothing behind.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Self, TypeVar

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.backends.processes import kill_processes_of
from facejobs.jobs.backends.slots import Held, QueueLeftError, Ticket, pool_for
from facejobs.jobs.boot.heartbeat import Heartbeat
from facejobs.jobs.status import State, Status, read_status, record
from facejobs.jobs.tracking import send_version
from facejobs.jobs.version_record import version_number
from facejobs.jobs.versions import VersionFolder
from facejobs.storage import environment as names
from facejobs.storage.errors import StorageError
from facejobs.storage.opening import open_store

log = logging.getLogger(__name__)

# How long a store may be away before the end of a job can no longer be recorded in it.
_RECORD_SECONDS = 3600.0
_POLL_SECONDS = 0.2
_DISPOSABLE = ("output", "inputs", "app", "tmp", ".uploading")


@dataclass(frozen=True)
class Order:
    """All that a supervisor must know; it holds no secret, those come with the environment."""

    url: str
    work: str
    folder: str
    command: list[str]
    environment: dict[str, str]
    gpus: int
    attempt: int
    attempts: int
    ticket: str
    ticket_file: int

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


class Supervisor:
    """Runs one order to its end."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._version = open_store(order.url)
        self._work = Path(order.work)
        self._stop = False
        self._kill = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Queue, run, try again; whatever happens, the version's state says how it ended."""
        signal.signal(signal.SIGTERM, self.on_stop)
        signal.signal(signal.SIGUSR1, self.on_kill)
        Heartbeat(self._version).start()
        try:
            with self._queue() as held:
                self.prepare()
                for attempt in range(self._order.attempt, self._order.attempts + 1):
                    code = self._attempt(attempt, held)
                    status = self._settle(attempt, code)
                    if status.state.ended or not status.transitions:
                        break
        except QueueLeftError:
            self._record(State.STOPPED, "stopped while it was waiting for its turn", ExitCode.STOPPED)
        except (FacejobsError, OSError) as error:
            log.exception("the job could not be run")
            self._record(State.FAILED, f"it could not be run: {error}", ExitCode.JOB)
        self._track()

    def _track(self) -> None:
        """Send the version to the tracking server it was submitted with; without that server the job is no other."""
        job, version = self._order.url.split("/")[-2:]
        number = version_number(version)
        assert number is not None
        try:
            folder = VersionFolder(job, number, self._version)
            if folder.record.tracking:
                tracked = send_version(folder)
                log.info("%d values of metrics sent to %s", tracked.values, tracked.address)
        except FacejobsError as error:
            log.error("not sent to the tracking server, `facejobs track %s %s` tries again: %s", job, version, error)

    def on_stop(self, _number: int, _frame: FrameType | None) -> None:
        """SIGTERM to this process: the task is asked to save and end."""
        self._stop = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def on_kill(self, _number: int, _frame: FrameType | None) -> None:
        """SIGUSR1: the task is ended now."""
        self._stop = self._kill = True

    def _queue(self) -> Held:
        gpus = self._order.gpus

        def tell(before: int) -> None:
            log.info("waiting for %d %s; %d jobs before this one", gpus or 1, "GPUs" if gpus else "slot", before)

        ticket = Ticket(Path(self._order.ticket), self._order.ticket_file)
        return pool_for(gpus).wait(ticket, gpus or 1, lambda: self._stop, tell)

    def _attempt(self, attempt: int, held: Held) -> int:
        """One run of run_train.sh; returns its exit code, negative if a signal ended it."""
        log.info("attempt %d of %d", attempt, self._order.attempts)
        if self._stop:
            raise QueueLeftError
        self._process = self.launch(attempt, held)
        if self._stop:
            self._process.send_signal(signal.SIGTERM)
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_POLL_SECONDS)
                break
            if self._kill:
                self.end_task()
            elif self._stop:
                self.insist_on_stop(self._process)
        leftover = self.end_task()
        if leftover:
            log.warning("%d processes of the job were left over and were killed", leftover)
        log.info("run_train.sh ended with %d", code)
        return code

    def prepare(self) -> None:
        """What must be done once, when it is the job's turn; FacejobsError if it cannot run."""

    def launch(self, attempt: int, held: Held) -> subprocess.Popen[bytes]:
        """Start run_train.sh, in a session of its own."""
        (self._work / "tmp").mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            self._order.command,
            cwd=self._order.folder,
            env={
                **os.environ,
                **self._order.environment,
                names.ATTEMPT: str(attempt),
                names.ATTEMPTS: str(self._order.attempts),
                "CUDA_VISIBLE_DEVICES": ",".join(map(str, held.numbers)) if self._order.gpus else "",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            # The slot or the GPUs stay taken while the task lives, even if this process dies.
            pass_fds=held.files,
        )

    def insist_on_stop(self, process: subprocess.Popen[bytes]) -> None:
        """Called while a task that was asked to stop still runs; one SIGTERM is enough for a process here."""

    def end_task(self) -> int:
        """Kill what runs of the job; returns how many processes that were."""
        return kill_processes_of(self._work)

    def how_it_ended(self, code: int) -> str:
        """An exit code of the task in words, for a task that could not say more itself."""
        return f"run_train.sh was ended by signal {-code}" if code < 0 else f"run_train.sh ended with exit code {code}"

    def tidy(self) -> None:
        """Remove what a finished job needs no more: its output is in the store, proven."""
        for name in _DISPOSABLE:
            shutil.rmtree(self._work / name, ignore_errors=True)

    def _settle(self, attempt: int, code: int) -> Status:
        """See that the state tells how the attempt ended, also where the task died before it could write it."""
        status = self._read_status()
        if not status.transitions:
            # A version has a state from the moment it is claimed; nothing is written to one that is no more.
            log.warning("the version was deleted under way")
            return status
        how = self.how_it_ended(code)
        exit_code = code if code >= 0 else 128 - code
        if status.state is State.COMPLETED:
            self.tidy()
        elif not status.state.ended and self._stop:
            status = self._record(State.STOPPED, "killed on request" if self._kill else how, exit_code)
        elif not status.state.ended and attempt >= self._order.attempts:
            status = self._record(State.FAILED, how, exit_code)
        elif status.state is State.RUNNING:
            tried = f"attempt {attempt} of {self._order.attempts}: {how}; it is tried again"
            status = self._record(State.PENDING, tried, exit_code)
        return status

    def _read_status(self) -> Status:
        return self._insist(lambda: read_status(self._version))

    def _record(self, state: State, reason: str, code: int) -> Status:
        log.info("%s: %s", state, reason)
        return self._insist(lambda: record(self._version, state, reason, int(code)))

    def _insist(self, action: Callable[[], Status]) -> Status:
        """Do it as soon as the store answers."""
        deadline = time.monotonic() + _RECORD_SECONDS
        wait = 1.0
        while True:
            try:
                return action()
            except (StorageError, OSError) as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("the store does not answer, trying again in %g s: %s", wait, error)
            time.sleep(wait)
            wait = min(60.0, 2 * wait)


AnOrder = TypeVar("AnOrder", bound=Order)


def run_order(order_type: type[AnOrder], supervise: Callable[[AnOrder], Supervisor]) -> None:
    """Take the order from stdin and carry it out."""
    text = sys.stdin.readline()
    if not text:
        return
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr, level=logging.INFO)
    supervise(order_type.from_json(text)).run()


if __name__ == "__main__":
    run_order(Order, Supervisor)
