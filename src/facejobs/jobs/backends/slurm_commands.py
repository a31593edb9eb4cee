"""Runs Slurm's own commands, and says in words what they refuse."""

import os
import re
import subprocess
from collections.abc import Mapping

from facejobs.jobs.errors import JobError

_SECONDS = 60.0
_ABSENT = re.compile(
    r"Unable to contact slurm controller|Connection refused|Connection timed out|Socket timed out", re.I
)
# What Slurm says, and what to do about it.
_ADVICE = (
    ("invalid partition name", "name one of these as partition: {partitions}"),
    ("invalid account", "name an account of yours: sacctmgr show associations user=$USER"),
    ("invalid qos", "name a quality of service of yours: sacctmgr show qos"),
    (
        "violates accounting/qos policy",
        "a quota or limit of your account is used up: ask for less, or wait for other jobs",
    ),
    ("invalid feature", "the names that `constraint` may use: sinfo --format='%N %f'"),
    ("invalid node name", "names of nodes: sinfo --Node"),
    ("invalid generic resource", "what nodes offer: sinfo --format='%N %G'"),
    ("time limit", "partitions and their longest times: sinfo --format='%R %l'"),
    ("node count", "partitions and how many nodes a job may have there: sinfo --format='%R %s %D'"),
    (
        "node configuration is not available",
        "no node has as many GPUs, CPUs or as much memory: sinfo --format='%N %c %m %G'",
    ),
)


class SlurmAbsentError(JobError):
    """Slurm is not installed here, or does not answer."""


def slurm(
    command: list[str], text: str | None = None, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of Slurm's with `text` as its input; SlurmAbsentError where nobody answers it."""
    try:
        done = subprocess.run(
            command,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise SlurmAbsentError(f"there is no {command[0]} here: use facejobs on a login node of the cluster") from None
    except subprocess.TimeoutExpired:
        raise SlurmAbsentError(f"{command[0]} did not answer within {_SECONDS:g} s") from None
    except OSError as error:
        raise SlurmAbsentError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0 and (_ABSENT.search(done.stderr) or "configuration source" in done.stderr):
        where = f" (SLURM_CONF is {os.environ['SLURM_CONF']})" if os.environ.get("SLURM_CONF") else ""
        raise SlurmAbsentError(
            f"Slurm does not answer{where}: {_last_line(done.stderr)}; `scontrol ping` shows whether it is up"
        )
    return done


def asked(command: list[str], text: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints; JobError with what Slurm refused and what to do."""
    done = slurm(command, text, environment)
    if done.returncode != 0:
        raise JobError(explain(command[0], done.stderr))
    return done.stdout


def explain(program: str, stderr: str) -> str:
    """What Slurm refused, in its words, and what to do."""
    said = _last_line(stderr)
    for sign, advice in _ADVICE:
        if sign in stderr.lower():
            return f"Slurm refuses it: {said}; {advice.format(partitions=_partitions()) if '{' in advice else advice}"
    return f"{program} refuses it: {said}"


def _last_line(stderr: str) -> str:
    """The line that says what is wrong, without the name of the program."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("Try ")]
    line = re.sub(r"^\w+: (?:error: |fatal: )?", "", lines[-1]) if lines else "no reason was given"
    return re.sub(r"^(?:Batch job submission failed|allocation failure): ", "", line)


def _partitions() -> str:
    try:
        done = slurm(["sinfo", "--noheader", "--format=%R"])
    except SlurmAbsentError:
        return "see sinfo"
    return ", ".join(sorted(set(done.stdout.split()))) or "none is there"
