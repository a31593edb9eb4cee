"""One task from its environment to its exit code: the steps of the boot contract, in order."""

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from facejobs.errors import ExitCode, FacejobsError
from facejobs.jobs.boot.attempts import needs_no_attempt
from facejobs.jobs.boot.command import run_command
from facejobs.jobs.boot.control import Control
from facejobs.jobs.boot.heartbeat import Heartbeat
from facejobs.jobs.boot.outcome import Outcome, VersionState, outcome_of, stopped
from facejobs.jobs.boot.stop import StopRequest, StopRequestedError
from facejobs.jobs.boot.task_log import LogHandler, SecretFilter, TaskLog
from facejobs.jobs.boot.uploads import CheckpointUploads, GrowingFile, Repeated
from facejobs.jobs.status import State, read_status
from facejobs.storage import environment as names
from facejobs.storage.checkpoint_sync import CHECKPOINTS, JOURNAL
from facejobs.storage.environment import BootEnvironment, secret_values
from facejobs.storage.errors import NotFoundError, StorageError, UploadError
from facejobs.storage.folder_sync import upload_folder
from facejobs.storage.hooks import get_app, is_output, is_reserved, upload_model
from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore
from facejobs.storage.url import join_url

log = logging.getLogger(__name__)

_STDOUT = 1


class Task:
    """What `run_train.sh COMMAND ARGUMENT…` does; `run` returns its exit code."""

    def __init__(self, command: list[str], environment: BootEnvironment, variables: Mapping[str, str]) -> None:
        self._command, self._environment, self._variables = command, environment, variables
        # The first task speaks for the job: outputs and states of several would overwrite each other.
        first = environment.task == 0
        self._output_store = open_store(environment.train_url) if first and environment.train_url else None
        self._version = open_store(environment.version_url) if first and environment.version_url else None
        self._control = Control(environment.control) if first and environment.control else None
        self._state = VersionState(self._version, environment, self._control)
        self._staging = environment.work / ".uploading"
        self._log_store, self._log_key = self._log_place()

    def _log_place(self) -> tuple[ObjectStore | None, str]:
        """Where the log goes: `logs/` beside the outputs, unless a folder for logs is named."""
        environment = self._environment
        url = environment.log_url or (environment.train_url and join_url(environment.train_url, "logs"))
        return (open_store(url) if url else None), f"task-{environment.task}.log"

    def run(self) -> int:
        """Fetch, run, upload, record; nothing but a bug raises."""
        if self._is_over():
            # Not STOPPED, after which a cluster starts it again. Other tasks that were started too end by a failure.
            return ExitCode.OK if self._environment.tasks == 1 else ExitCode.JOB
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(StopRequest(self._environment.time_limit))
            try:
                task_log = self._open_log()
            except OSError as error:
                return self._without_log(error)
            handler = LogHandler(task_log)
            logger = logging.getLogger("facejobs")
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            stack.callback(logger.removeHandler, handler)
            growing_log = None
            if self._log_store is not None:
                growing_log = GrowingFile(task_log.path, self._log_store, self._log_key, self._staging)
                self._continue_log(task_log)
            try:
                outcome = self._steps(stop, task_log, growing_log)
            except Exception as error:
                # A bug must not leave the version RUNNING, nor its traceback out of the log.
                log.exception("an error that facejobs did not foresee")
                outcome = Outcome(ExitCode.INTERNAL, State.FAILED, f"an unforeseen error: {error!r}")
            return self._finish(outcome, growing_log)

    def _is_over(self) -> bool:
        """Whether a cluster started this task again although its version needs no attempt any more."""
        if self._environment.attempt is not None or self._version is None:
            return False
        # A store that does not answer is met, and logged, by the first step.
        with contextlib.suppress(FacejobsError):
            status = read_status(self._version)
            if needs_no_attempt(status):
                print(f"facejobs: {self._environment.job} is {status.state}: nothing is done", flush=True)
                if self._control is not None:
                    self._control.tell_end(status.state)
                return True
        return False

    def _without_log(self, error: OSError) -> int:
        reason = f"the task's log cannot be written: {error.strerror}: {error.filename}"
        print(f"error: {reason}; make room there, or name another folder with TMPDIR", file=sys.stderr)
        return self._state.ended(Outcome(ExitCode.WRITE_FAILED, State.FAILED, reason))

    def _open_log(self) -> TaskLog:
        environment = self._environment
        heading = (
            f"task {environment.task} of job {environment.job}, output {environment.train_url or environment.work}"
        )
        hidden = SecretFilter(secret_values(environment.secrets, self._variables))
        return TaskLog(environment.task_log, heading, hidden, _STDOUT)

    def _continue_log(self, task_log: TaskLog) -> None:
        """On a machine that knows nothing of earlier attempts, begin with what they logged."""
        if task_log.own or self._log_store is None:
            return
        with contextlib.suppress(NotFoundError):
            try:
                task_log.restore(self._log_store.read(self._log_key))
            except (StorageError, OSError) as error:
                if isinstance(error, NotFoundError):
                    raise
                log.warning("the log of earlier attempts could not be fetched: %s", error)

    def _steps(self, stop: StopRequest, task_log: TaskLog, growing_log: GrowingFile | None) -> Outcome:
        environment = self._environment
        try:
            with stop.interrupting():
                self._state.running()
                if self._version is not None:
                    Heartbeat(self._version).start()
                get_app(environment)
            with stop.interrupting():
                pass
        except StopRequestedError:
            return stopped(ExitCode.STOPPED, stop, self._control, when=" before the command began")
        except (FacejobsError, OSError) as error:
            log.error("error: %s", error)
            return Outcome(ExitCode.DOWNLOAD_FAILED, State.FAILED, f"download failed: {error}")
        return self._run_and_upload(stop, task_log, growing_log)

    def _run_and_upload(self, stop: StopRequest, task_log: TaskLog, growing_log: GrowingFile | None) -> Outcome:
        environment = self._environment
        checkpoints: CheckpointUploads | None = None
        repeated: list[Repeated] = []
        small: list[GrowingFile] = [] if growing_log is None else [growing_log]
        if self._output_store is not None:
            journal = GrowingFile(environment.output / JOURNAL, self._output_store, JOURNAL, self._staging)
            checkpoints = CheckpointUploads(environment.output, self._output_store, self._staging, journal.send)
            small.append(journal)
            repeated.append(Repeated("uploading checkpoints", checkpoints.send, environment.upload_every))
        for growing in small:
            repeated.append(Repeated("uploading logs and metrics", growing.send, environment.upload_every))
        for item in repeated:
            item.start()
        log.info("running %s", " ".join(self._command))
        code = run_command(
            self._command,
            environment.app if environment.app_url else Path.cwd(),
            self._command_environment(),
            task_log,
            stop,
            environment.grace,
        )
        stop.disarm()
        log.info("the command ended with exit code %d", code)
        for item in repeated:
            item.stop()
        outcome = outcome_of(code, stop, self._control, environment.tasks)
        return outcome if checkpoints is None else self._upload(outcome, checkpoints)

    def _command_environment(self) -> dict[str, str]:
        """The task's environment, with the work folder named and this Python's programs at the end of the path."""
        variables = {"PYTHONUNBUFFERED": "1", **self._variables, names.WORK: str(self._environment.work)}
        # These are said to this task, not to one that the command may run.
        for name in (names.REMOVE_WORK, names.CONTROL):
            variables.pop(name, None)
        if self._state.attempt is not None:
            variables[names.ATTEMPT] = str(self._state.attempt)
        programs = str(Path(sys.executable).parent)
        variables["PATH"] = os.pathsep.join(filter(None, [variables.get("PATH", os.defpath), programs]))
        return variables

    def _upload(self, outcome: Outcome, checkpoints: CheckpointUploads) -> Outcome:
        """Upload what the command left; after a success all of it, verified, or the outcome becomes a failure."""
        try:
            try:
                checkpoints.send()
                if outcome.state is State.COMPLETED:
                    upload_model(self._environment)
                else:
                    self._upload_unfinished()
            except OSError as error:
                raise UploadError(_local_failure("the output", error)) from None
        except StorageError as error:
            log.error("error: %s", error)
            if outcome.state is State.COMPLETED:
                return Outcome(ExitCode.UPLOAD_FAILED, State.FAILED, f"upload failed: {error}")
            return replace(outcome, reason=f"{outcome.reason}; its upload failed: {error}")
        return outcome

    def _upload_unfinished(self) -> None:
        """Upload what a command that failed leaves beside its checkpoints: the journal, reports, pictures."""
        assert self._output_store is not None

        def include(name: str) -> bool:
            return is_output(name) and not is_reserved(name) and not name.startswith(f"{CHECKPOINTS}/")

        upload_folder(self._environment.output, self._output_store, include=include, manifest_key=None, progress=False)

    def _finish(self, outcome: Outcome, growing_log: GrowingFile | None) -> int:
        """Log and record the end; the log arrives before the state says so.

        It is sent twice, without its last line and with it, because whether it arrives decides what that line says.
        """
        work, remove = self._environment.work, self._environment.remove_work
        outcome = _send_log(outcome, growing_log)
        if remove and outcome.state is not State.COMPLETED:
            log.info("what was fetched and made is kept in %s; the same command goes on with it", work)
        said = outcome
        _log_end(said)
        outcome = _send_log(outcome, growing_log)
        if outcome != said:
            _log_end(outcome)
        shutil.rmtree(self._staging, ignore_errors=True)
        code = self._state.ended(outcome)
        if remove and code == ExitCode.OK:
            shutil.rmtree(work, ignore_errors=True)
        return code


def _send_log(outcome: Outcome, growing_log: GrowingFile | None) -> Outcome:
    """The outcome once the log is sent: a success whose log does not arrive is none."""
    if growing_log is None:
        return outcome
    try:
        growing_log.send()
    except (StorageError, OSError) as error:
        why = (
            f"upload failed: the log: {error}" if isinstance(error, StorageError) else _local_failure("the log", error)
        )
        if outcome.state is State.COMPLETED:
            log.error("error: %s", why)
            return Outcome(ExitCode.UPLOAD_FAILED, State.FAILED, why)
        if outcome.code != ExitCode.UPLOAD_FAILED:
            log.error("error: %s", why)
    return outcome


def _local_failure(what: str, error: OSError) -> str:
    """What this machine, and not the storage, refused."""
    return f"{what} could not be written or read here: {error.strerror}: {error.filename or 'unknown file'}"


def _log_end(outcome: Outcome) -> None:
    said = f"{outcome.state}, exit code {int(outcome.code)}"
    log.info("%s%s", said, f": {outcome.reason}" if outcome.reason else "")
