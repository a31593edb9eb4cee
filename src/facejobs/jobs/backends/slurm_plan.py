"""What the backend `slurm` makes of a job spec: the batch script, and what of the spec it honours."""

import os
import shlex
import sys
from pathlib import Path
from urllib.parse import quote

from facejobs.jobs.backends.base import HIDDEN, Plan
from facejobs.jobs.backends.contract import STORAGE_CREDENTIALS, job_variables, storage_settings
from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.local_plan import store_url
from facejobs.jobs.backends.slurm_options import SlurmOptions, is_word
from facejobs.jobs.backends.slurm_script import WORK, Script, minutes
from facejobs.jobs.backends.store_digest import store_digest
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.version_record import version_name
from facejobs.storage import environment as names
from facejobs.storage.url import is_remote

OUTPUT = "logs/slurm.out"
_COMMENT = "facejobs:"
_COPY_EVERY = 2.0
_GRACE_SECONDS = 60
# What programs take for granted, and where the AWS settings of this user are; nothing else of the submitter's.
_INHERITED = ("HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SLURM_CONF")
_AWS_FILES = ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE")


def comment_of(url: str) -> str:
    """By what comment a Slurm job says which version it runs."""
    return _COMMENT + quote(store_url(url), safe="/:.-_")


def job_name(url: str) -> str:
    """By what name Slurm lists the job of the version at `url`."""
    return "-".join(url.split("/")[-2:])


def passed_environment(spec: JobSpec) -> dict[str, str]:
    """The environment that sbatch gets and Slurm keeps: credentials, secrets, and what programs take for granted."""
    wanted = (*_INHERITED, *_AWS_FILES, *STORAGE_CREDENTIALS, *spec.secrets)
    return {name: os.environ[name] for name in wanted if name in os.environ}


def make_plan(spec: JobSpec, url: str | None, options: SlurmOptions, image: str | None = None) -> Plan:
    """The plan of a spec; without a version's `url`, of a first version in a store that is not named, called STORE."""
    known = store_url(url) if url else f"STORE/jobs/{spec.name}/{version_name(1)}"
    script = make_script(spec, known, options, image)
    honoured, emulated, impossible = _judge(spec, known, options)
    hidden = [name for name in (*STORAGE_CREDENTIALS, *spec.secrets) if name in os.environ or name in spec.secrets]
    boot = ["bash", "run_train.sh"] if script.image is not None else [script.python, "-m", "facejobs.jobs.boot"]
    return Plan(
        backend="slurm",
        command=[word.replace(WORK, f"${names.WORK}") for word in [*boot, *script.words]],
        environment={**script.environment, **dict.fromkeys(hidden, HIDDEN)},
        folder=f"{script.folder}/task-N",
        request=str(script),
        honoured=honoured,
        emulated=emulated,
        impossible=impossible,
    )


def make_script(spec: JobSpec, url: str, options: SlurmOptions, image: str | None = None) -> Script:
    """The batch script of the version at `url`; `image` is the spec's image with its digest."""
    job, version = url.split("/")[-2:]
    inputs = {
        name: f"{WORK}/inputs/{name}" if is_remote(place) else str(Path(place).absolute())
        for name, place in spec.inputs.items()
    }
    folder = f"{options.scratch.rstrip('/')}/facejobs-{os.getuid()}-{job}-{version}-{store_digest(url)}"
    used = image or spec.image if options.runner != "none" else None
    python = options.python or sys.executable
    return Script(
        job_name=job_name(url),
        comment=comment_of(url),
        output=_output(url, options),
        words=spec.command_line(inputs, {spec.output: f"{WORK}/output"}),
        environment=_environment(spec, url, options, python if used is None else None),
        folder=folder,
        python=python,
        image=used,
        mounts=_mounts(spec, url, options),
        resources=spec.resources,
        time_limit=spec.time_limit,
        restarts=spec.retries,
        options=options,
    )


def _environment(spec: JobSpec, url: str, options: SlurmOptions, python: str | None) -> dict[str, str]:
    variables = {**storage_settings(spec), **job_variables(spec, url)}
    # The limit is Slurm's, which warns before it.
    variables.pop(names.TIME_LIMIT, None)
    variables[names.ATTEMPT] = names.AUTO_ATTEMPT
    variables[names.ATTEMPTS] = str(spec.retries + 1)
    variables[names.REMOVE_WORK] = "1"
    if python is not None:
        variables[names.PYTHON] = python
    if options.signal_seconds < 2 * _GRACE_SECONDS:
        # Half of the time is for the upload.
        variables.setdefault(names.GRACE, str(options.signal_seconds // 2))
    if not is_remote(url):
        # In a directory an upload is a copy, so logs and metrics can be there sooner than over a network.
        variables.setdefault(names.UPLOAD_EVERY, f"{_COPY_EVERY:g}")
    if not spec.resources.gpus:
        variables.setdefault("CUDA_VISIBLE_DEVICES", "")
    return variables


def _output(url: str, options: SlurmOptions) -> str:
    job, version = url.split("/")[-2:]
    if options.log_folder is not None:
        return f"{options.log_folder.rstrip('/')}/slurm-{job}-{version}.out"
    if is_remote(url) or not Path(url).is_absolute():
        return f"slurm-{job}-{version}.out"
    path = f"{url}/{OUTPUT}"
    return path if is_word(path) else "/dev/null"


def _mounts(spec: JobSpec, url: str, options: SlurmOptions) -> list[str]:
    """Folders of the nodes that a container must see, each under its own name."""
    places = [options.scratch, *spec.inputs.values(), url, *filter(None, [spec.output_url])]
    return list(dict.fromkeys(str(Path(place).absolute()) for place in places if not is_remote(place)))


def _judge(spec: JobSpec, url: str, options: SlurmOptions) -> tuple[list[str], list[str], list[str]]:
    """What of the spec is done as asked, what in another way, and what not at all."""
    honoured = ["command", "parameters", "environment", "secrets: by the environment of sbatch, not in the script"]
    emulated: list[str] = []
    impossible: list[str] = []
    shared = "must lie on a file system that every node has"
    paths = [name for name, place in spec.inputs.items() if not is_remote(place)]
    honoured.append(f"inputs: {', '.join(paths)} {shared}" if paths else "inputs")
    local_output = [place for place in (url, spec.output_url) if place and not is_remote(place)]
    honoured.append(f"outputs: {', '.join(local_output)} {shared}" if local_output else "outputs")
    _judge_resources(spec, options, honoured, impossible)
    _judge_times(spec, options, honoured, emulated, impossible)
    _judge_image(spec, url, options, honoured, emulated, impossible)
    if _output(url, options) == "/dev/null":
        emulated.append(
            "Slurm's own output is thrown away: the path of the store has characters that sbatch does not take"
        )
    return honoured, emulated, impossible


def _judge_resources(spec: JobSpec, options: SlurmOptions, honoured: list[str], impossible: list[str]) -> None:
    resources = spec.resources
    honoured.append(f"resources.nodes: --nodes={resources.nodes}, one task on each")
    if resources.gpus:
        by = f"--gres={options.gres}" if options.gres else "--gpus-per-node"
        honoured.append(f"resources.gpus: {resources.gpus} on each node, by {by}")
    if resources.gpu_type is not None:
        refused = unsupported_gpu(resources.gpu_type)
        if refused:
            impossible.append(f"resources.gpu_type: {refused}")
        elif not is_word(resources.gpu_type):
            impossible.append(
                f"resources.gpu_type: {resources.gpu_type!r} is no type that Slurm takes: sinfo --format=%G"
            )
        elif resources.gpus:
            honoured.append(f"resources.gpu_type: {resources.gpu_type}, as the cluster names it (sinfo --format=%G)")
        else:
            impossible.append(f"resources.gpu_type: {resources.gpu_type} without resources.gpus: say how many")
    if resources.cpus is not None:
        rounded = "" if resources.cpus.is_integer() else ", rounded up to whole ones"
        honoured.append(f"resources.cpus: --cpus-per-task{rounded}")
    if resources.memory is not None:
        honoured.append("resources.memory: --mem; enforced where the cluster limits memory")


def _judge_times(
    spec: JobSpec, options: SlurmOptions, honoured: list[str], emulated: list[str], impossible: list[str]
) -> None:
    if spec.retries:
        honoured.append(
            f"retries: {spec.retries}, each from the last checkpoint, as the Slurm job put into the queue again"
        )
    if spec.time_limit is None:
        return
    if spec.time_limit <= options.signal_seconds:
        impossible.append(
            f"time_limit: {spec.time_limit} s, but the job is asked to save {options.signal_seconds} s before: "
            "give it longer, or a lower signal_seconds"
        )
        return
    after = f"{spec.retries} more attempts, then FAILED" if spec.retries else "FAILED, as retries is 0"
    honoured.append(
        f"time_limit: {minutes(spec.time_limit)} minutes an attempt; asked to save {options.signal_seconds} to "
        f"{options.signal_seconds + 60} s before, then {after}"
    )
    if spec.time_limit % 60:
        emulated.append(f"time_limit: {spec.time_limit} s are {minutes(spec.time_limit)} minutes, as Slurm counts")


def _judge_image(
    spec: JobSpec, url: str, options: SlurmOptions, honoured: list[str], emulated: list[str], impossible: list[str]
) -> None:
    if spec.image is None:
        if options.runner != "none":
            impossible.append(
                f"image: none is named, but the runner is {options.runner}: name one, or leave out runner"
            )
        return
    if options.runner == "none":
        python = shlex.quote(options.python or sys.executable)
        emulated.append(f"image: {spec.image} is recorded; the job runs with {python}, as no runner is named")
        return
    honoured.append(f"image: {spec.image}, by {options.runner} on every node")
    unfit = [path for path in _mounts(spec, url, options) if set(path) & set(":,")]
    if unfit:
        impossible.append(f"image: {unfit[0]} cannot be mounted: {options.runner} takes ':' and ',' for separators")
