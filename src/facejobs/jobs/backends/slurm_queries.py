"""What Slurm says of a job: the controller (`scontrol`, `squeue`), and the accounting (`sacct`) where there is one."""

import os
import re
import shutil
from dataclasses import dataclass
from urllib.parse import unquote

from facejobs.jobs.backends.base import QueuedJob
from facejobs.jobs.backends.slurm_commands import SlurmAbsentError, asked, explain, slurm
from facejobs.jobs.status import State

_WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
_RUNNING = frozenset(
    {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
)
_COMMENT = re.compile(r"facejobs:(\S+)")
_FORMAT = "%i|%T|%r|%k"


@dataclass(frozen=True)
class SlurmJob:
    """How a Slurm job stands. `output` is the file of its own output, where the controller still knows it."""

    id: str
    state: str
    reason: str = ""
    exit_code: int = 0
    signal: int = 0
    output: str = ""
    name: str = ""
    comment: str = ""

    @property
    def waiting(self) -> bool:
        """Whether it is in the queue, for the first time or again."""
        return self.state in _WAITING

    @property
    def active(self) -> bool:
        """Whether it waits, runs or ends just now."""
        return self.waiting or self.state in _RUNNING


def cluster_name() -> str:
    """The name of the cluster that commands here talk to; SlurmAbsentError."""
    match = re.search(r"^ClusterName\s*=\s*(\S+)", asked(["scontrol", "show", "config"]), re.MULTILINE)
    return match[1] if match else ""


def find_job(number: str) -> SlurmJob | None:
    """A job by its number; None if neither the controller nor the accounting knows it. SlurmAbsentError, JobError."""
    done = slurm(["scontrol", "--oneliner", "show", "job", number])
    if done.returncode == 0:
        return parse_job(done.stdout)
    if "invalid job id" not in done.stderr.lower():
        raise SlurmAbsentError(explain("scontrol", done.stderr))
    return _find_in_accounting(number)


def parse_job(text: str) -> SlurmJob:
    """A line of `scontrol --oneliner show job`."""

    def value(name: str) -> str:
        # The first one: names and comments that users chose come later.
        match = re.search(rf"(?:^|\s){name}=(\S*)", text)
        return "" if match is None or match[1] == "(null)" else match[1]

    code, _, number = value("ExitCode").partition(":")
    output = re.search(r"\sStdOut=(.*?)(?:\s+[A-Z]\w*=|\s*$)", text)
    return SlurmJob(
        id=value("JobId"),
        state=value("JobState"),
        reason=value("Reason").replace("None", ""),
        exit_code=int(code or 0),
        signal=int(number or 0),
        output=output[1] if output else "",
        name=value("JobName"),
        comment=value("Comment"),
    )


def _find_in_accounting(number: str) -> SlurmJob | None:
    """What sacct says; None also where there is no accounting."""
    if shutil.which("sacct") is None:
        return None
    fields = "JobID,JobName,State,ExitCode"
    command = ["sacct", f"--jobs={number}", "--noheader", "--parsable2", "--allocations", f"--format={fields}"]
    done = slurm(command)
    lines = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 3]
    if done.returncode != 0 or not lines:
        return None
    # Of a job that was put into the queue again, the last run counts.
    found, name, state, code = lines[-1]
    status, _, signal = code.partition(":")
    # CANCELLED by 1000
    return SlurmJob(found, state.split()[0], "", int(status or 0), int(signal or 0), "", name)


def queued_jobs() -> list[QueuedJob]:
    """Jobs of this user that wait or run and are versions of facejobs; SlurmAbsentError."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", "--states=all", f"--format={_FORMAT}"]
    found = []
    for line in asked(command).splitlines():
        number, state, reason, comment = (*line.split("|", 3), "", "", "")[:4]
        url, job = url_of(comment), SlurmJob(number, state)
        if url is not None and job.active:
            name, version = url.split("/")[-2:]
            why = f" ({reason})" if job.waiting and reason not in ("", "None") else ""
            standing = State.PENDING if job.waiting else State.RUNNING
            found.append(QueuedJob(number, name, version, standing, state + why, url))
    return found


def url_of(comment: str) -> str | None:
    """The version that a job's comment names; None if it is no job of facejobs."""
    match = _COMMENT.fullmatch(comment.strip())
    url = unquote(match[1]) if match else ""
    return url if url.count("/") >= 2 else None
