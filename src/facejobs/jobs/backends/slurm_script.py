"""The batch script that sbatch gets: directives, one task a node by srun, and what is done when a job is stopped.

A job is stopped in three ways, which the script tells its first task (`facejobs.jobs.boot.control`): SIGUSR1 comes from
Slurm before the time limit, SIGUSR2 from `facejobs stop`; SIGTERM, which the tasks get from Slurm themselves, means
that the machine is taken away. Where the task then says PENDING, the job puts itself into the queue again.
"""

import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facejobs.jobs.backends.slurm_options import SlurmOptions
from facejobs.jobs.spec import Resources
from facejobs.storage import environment as names

# Stands for the work folder of a task in words of its command; no text of a spec can hold a NUL.
WORK = "\0"
RUN_TRAIN = "/home/work/run_train.sh"


@dataclass(frozen=True)
class Script:
    """What the batch script is made of. `words` may hold `WORK`; `environment` has no secret."""

    job_name: str
    comment: str
    output: str
    words: list[str]
    environment: Mapping[str, str]
    folder: str
    python: str
    image: str | None
    mounts: list[str]
    resources: Resources
    time_limit: int | None
    restarts: int
    options: SlurmOptions

    def __str__(self) -> str:
        directives = "\n".join(f"#SBATCH {option}" for option in _directives(self))
        return (
            f"#!/bin/bash\n{directives}\n\n{_PRELUDE}{_hosts(self)}{_start(self)}{_END.format(restarts=self.restarts)}"
        )


def minutes(seconds: int) -> int:
    """A time limit as Slurm keeps it."""
    return math.ceil(seconds / 60)


def _directives(script: Script) -> Iterable[str]:
    options, resources = script.options, script.resources
    yield f"--job-name={script.job_name}"
    yield f"--comment={script.comment}"
    yield f"--nodes={resources.nodes}"
    yield "--ntasks-per-node=1"
    if resources.cpus is not None:
        yield f"--cpus-per-task={math.ceil(resources.cpus)}"
    if resources.memory is not None:
        yield f"--mem={math.ceil(resources.memory / 1024)}K"
    if resources.gpus:
        kind = f"{resources.gpu_type}:" if resources.gpu_type else ""
        option = f"--gres={options.gres}:" if options.gres else "--gpus-per-node="
        yield f"{option}{kind}{resources.gpus}"
    if script.time_limit is not None:
        yield f"--time={minutes(script.time_limit)}"
    yield f"--signal=B:USR1@{options.signal_seconds}"
    yield "--requeue"
    yield "--open-mode=append"
    yield f"--output={script.output}"
    for name in ("partition", "account", "qos", "constraint", "nodelist", "exclude"):
        value = getattr(options, name)
        if value is not None:
            yield f"--{name}={value}"
    yield from options.sbatch


# `stopping` holds the first reason; a later one changes nothing, as the tasks save already.
_PRELUDE = r"""
stopping= srun= seen=
trap 'stop time_limit "" "saved before the time limit of the Slurm job"' USR1
trap 'stop requested "" "stopped on request"' USR2
trap 'stopping=${stopping:-taken}' TERM
trap 'failed' ALRM

stop() {
    [ -z "$stopping" ] || return
    stopping=$1
    printf '%s\n' "$1" "$2" "$3" >"$control/stop.new" && mv -- "$control/stop.new" "$control/stop"
    # The tasks may not have been started yet.
    while [ -n "$srun" ] && kill -0 "$srun" 2>/dev/null; do
        scancel --quiet --signal=TERM "$SLURM_JOB_ID.0" && break
        sleep 1
    done
}

failed() {
    local line code=1
    line=$(cat -- "$control/failed")
    [[ $line =~ exit\ code\ ([0-9]+) ]] && code=${BASH_REMATCH[1]}
    [[ $line == *": Killed" ]] && code=137
    # A preempted task saves and ends with 75, perhaps before this script hears of it.
    [ "$code" != 75 ] || sleep 5
    stop task_failed "$code" "another task failed: ${line#srun: error: }"
}

# srun says at once which task failed, and goes on; the others must not wait for it.
watch() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        if [[ -z $seen && $line =~ ^srun:\ error:\ [^\ ]+:\ tasks?\ [0-9,-]+:\ . ]]; then
            seen=1
            printf '%s\n' "$line" >"$control/failed"
            kill -ALRM $$
        fi
    done
}
"""

_HOSTS = r"""
hosts=
for host in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
    [[ $(scontrol --oneliner show node "$host") =~ NodeAddr=([^ ]+) ]] && host=${BASH_REMATCH[1]}
    hosts+=${hosts:+,}$host
done
"""


def _hosts(script: Script) -> str:
    return f"""
folder={shlex.quote(script.folder)}
control=$folder/control
mkdir -p -m 700 -- "$folder" && [ -O "$folder" ] && rm -rf -- "$control" && mkdir -m 700 -- "$control" || {{
    echo "error: $folder cannot be made, or is somebody else's: name another folder as scratch" >&2
    exit 1
}}
trap 'rm -rf -- "$control"; rmdir -- "$folder" 2>/dev/null' EXIT
{_HOSTS}"""


def _start(script: Script) -> str:
    """srun with the environment of the tasks, in the background, so that signals are answered while it runs."""
    nodes = script.resources.nodes
    variables = [f"{name}={shlex.quote(value)}" for name, value in script.environment.items()]
    variables += [f"{names.TASK_NUMBER}={nodes}", f'{names.TASK_HOSTS}="$hosts"', f'{names.CONTROL}="$control"']
    step = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--export=ALL", "--kill-on-bad-exit=0"]
    if script.resources.cpus is not None:
        step.append(f"--cpus-per-task={math.ceil(script.resources.cpus)}")
    if script.image is not None and script.options.runner == "pyxis":
        step.append(shlex.quote(f"--container-image={_enroot_name(script.image)}"))
        step.append(shlex.quote("--container-mounts=" + ",".join(f"{path}:{path}" for path in script.mounts)))
    lines = ["env", *variables, '"$(command -v srun)" ' + " ".join(step), f"bash -c {shlex.quote(_launch(script))}"]
    text = " \\\n        ".join(lines)
    # A job of one task needs nobody who watches over the others.
    watched = " 2> >(watch >&2)" if nodes > 1 else ""
    return f"""
if [ -z "$stopping" ]; then
    {text}{watched} &
    srun=$!
fi
"""


def _launch(script: Script) -> str:
    """What each task runs before it becomes run_train.sh."""
    return f"""
export {names.TASK_INDEX}=$SLURM_PROCID {names.WORK}={shlex.quote(script.folder)}/task-$SLURM_PROCID
export TMPDIR=${names.WORK}/tmp
mkdir -p -m 700 -- {shlex.quote(script.folder)} "${names.WORK}" && mkdir -p -- "$TMPDIR" && [ -O "${names.WORK}" ] || {{
    echo "error: ${names.WORK} cannot be made, or is somebody else's: name another folder as scratch" >&2
    exit 1
}}
exec {" ".join(_command(script))}
"""


def _command(script: Script) -> list[str]:
    boot = ["bash", RUN_TRAIN] if script.image is not None else [script.python, "-m", "facejobs.jobs.boot"]
    if script.image is not None and script.options.runner == "apptainer":
        binds = [word for path in script.mounts for word in ("--bind", path)]
        nvidia = ["--nv"] if script.resources.gpus else []
        boot = ["apptainer", "exec", *nvidia, *binds, f"docker://{script.image}", *boot]
    return [quoted(word) for word in [*boot, *script.words]]


def quoted(word: str) -> str:
    """A word as bash takes it, with the task's work folder where it holds `WORK`."""
    return f'"${names.WORK}"'.join(shlex.quote(part) if part else "" for part in word.split(WORK)) or "''"


def _enroot_name(image: str) -> str:
    """An image as enroot names it: a `#` after the registry."""
    registry, slash, rest = image.partition("/")
    return f"{registry}#{rest}" if slash and re.search(r"[.:]|^localhost$", registry) else image


_END = r"""
code=0
while [ -n "$srun" ]; do
    wait "$srun"
    code=$?
    # A signal ends the waiting, too.
    kill -0 "$srun" 2>/dev/null || break
done

end=$(cat -- "$control/end" 2>/dev/null)
if [ -z "$end" ] && [ "$code" != 0 ] && [ -z "$stopping" ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ]; then
    # The first task died without a word.
    end=PENDING
fi
if [ "$end" = PENDING ] && [ "$stopping" != taken ]; then
    scontrol requeue "$SLURM_JOB_ID" && code=75
fi
exit "$code"
"""
