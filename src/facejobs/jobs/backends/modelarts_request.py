"""What both ModelArts APIs are told of a version: the command as their shell reads it, variables, places in OBS."""

import os
import re
import shlex

from facejobs.jobs.backends.contract import STORAGE_CREDENTIALS, job_variables, storage_settings
from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.modelarts_options import ModelArtsOptions
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.version_record import version_number
from facejobs.storage import environment as names
from facejobs.storage.url import S3Location, is_remote, parse_url

RUN_TRAIN = "/home/work/run_train.sh"
# Where a plan stands for a version whose store is not known.
UNKNOWN_STORE = "obs://STORE"
_DESCRIPTION = "facejobs "
_MOST_DESCRIPTION = 256
# Pools of the v2 API name their slices so; the number is that of their GPUs.
_POOL_FLAVORS = {"xlarge": 1, "2xlarge": 2, "4xlarge": 4, "8xlarge": 8, "16xlarge": 16}
_POOL_FLAVOR = re.compile(r"modelarts\.pool\.visual\.(\d*xlarge)")


def command_words(spec: JobSpec, options: ModelArtsOptions) -> list[str]:
    """What each task runs: the image's run_train.sh with the spec's command line."""
    inputs = {name: f"{options.work_dir}/inputs/{name}" for name in spec.inputs}
    outputs = {spec.output: f"{options.work_dir}/output"}
    return ["bash", RUN_TRAIN, *spec.command_line(inputs, outputs)]


def shell_line(words: list[str]) -> str:
    """The words as one command of the shell that ModelArts runs it with; nothing in them is left to that shell."""
    return shlex.join(words)


def variables(spec: JobSpec, options: ModelArtsOptions, url: str, attempt: int) -> dict[str, str]:
    """The boot contract's variables. Task numbers and hosts are ModelArts' own; credentials are never among them."""
    found = {
        **storage_settings(spec),
        **job_variables(spec, url),
        names.WORK: options.work_dir,
        names.ATTEMPT: str(attempt),
        names.ATTEMPTS: str(attempt),
    }
    if options.api == "v2" and spec.retries:
        # ModelArts starts the same request again, so the task itself has to see which attempt it is.
        found[names.ATTEMPT] = names.AUTO_ATTEMPT
        found[names.ATTEMPTS] = str(1 + spec.retries)
    return {name: value for name, value in found.items() if value}


def obs_path(url: str) -> str:
    """A URL as the V1 API writes places in OBS: `/bucket/folder/`."""
    place = parse_url(url)
    assert isinstance(place, S3Location)
    return "/" + "/".join(part for part in (place.bucket, place.key) if part) + "/"


def obs_url(url: str) -> str:
    """A URL as the V2 API writes places in OBS: `obs://bucket/folder/`."""
    return f"obs:/{obs_path(url)}"


def description(url: str) -> str:
    """What ModelArts shows of the job: whose version it is, so that it is found again."""
    return f"{_DESCRIPTION}{url}"[:_MOST_DESCRIPTION]


def version_of(text: object) -> tuple[str, str, str] | None:
    """Job, version and URL that `description` wrote; None for a job that is not ours."""
    if not isinstance(text, str) or not text.startswith(_DESCRIPTION):
        return None
    url = text.removeprefix(_DESCRIPTION)
    parts = url.split("/")
    whole = len(parts) > 3 and parts[-3] == "jobs" and version_number(parts[-1]) is not None
    return (parts[-2], parts[-1], url) if whole else None


def judge(spec: JobSpec, options: ModelArtsOptions, url: str) -> tuple[list[str], list[str], list[str]]:
    """What of the spec is done as asked, what in another way, and what not at all: the same for both APIs."""
    honoured = ["command", "outputs", "parameters", "environment"]
    emulated: list[str] = []
    impossible: list[str] = []
    _judge_places(spec, url, honoured, impossible)
    _judge_image(spec, options, honoured, emulated, impossible)
    _judge_resources(spec, options, honoured, emulated, impossible)
    if spec.description:
        emulated.append("description: kept in the version; ModelArts' own names the version's folder")
    if spec.time_limit is not None:
        emulated.append(f"time_limit: {spec.time_limit} s an attempt, kept by the task itself")
    if spec.secrets:
        impossible.append(
            f"secrets: {', '.join(spec.secrets)}: ModelArts shows a job's variables to everybody who may see the job; "
            "put the value into a file on a volume (option nfs) and name that file in 'environment'"
        )
    sent = [name for name in STORAGE_CREDENTIALS if os.environ.get(name)]
    emulated.append(
        "storage credentials: "
        + (f"{', '.join(sent)} of this machine are not sent; " if sent else "none are sent; ")
        + "the task uses those of its container, or of the file AWS_SHARED_CREDENTIALS_FILE names on a volume"
    )
    return honoured, emulated, impossible


def _judge_places(spec: JobSpec, url: str, honoured: list[str], impossible: list[str]) -> None:
    if not is_remote(url):
        impossible.append(
            f"the version store {url.rpartition('/jobs/')[0] or url} is a directory of this machine: "
            "name a bucket with --store obs://BUCKET/FOLDER or FACEJOBS_STORE"
        )
    local = [name for name, place in spec.inputs.items() if not is_remote(place)]
    impossible += [
        f"inputs.{name}: {spec.inputs[name]} is a path of this machine: "
        f"`facejobs storage put` it, then give -i {name}=obs://BUCKET/FOLDER"
        for name in local
    ]
    if spec.inputs and not local:
        honoured.append("inputs: fetched by the task itself, as on every backend")
    if spec.output_url and not is_remote(spec.output_url):
        impossible.append(f"outputs.{spec.output}: {spec.output_url} is a path of this machine: name a bucket")
    kept = [name for name in spec.environment if name.startswith("MA_")]
    impossible += [f"environment.{name}: names that begin with MA_ are ModelArts' own" for name in kept]


def _judge_image(
    spec: JobSpec, options: ModelArtsOptions, honoured: list[str], emulated: list[str], impossible: list[str]
) -> None:
    if spec.image is None and options.image_url is None:
        impossible.append("image: ModelArts runs images only: name one that is in SWR")
    elif options.image_url is not None:
        emulated.append(
            f"image: ModelArts pulls {options.image_url} (option image_url); "
            f"that this is {spec.image or 'the right one'} is not checked"
        )
    else:
        honoured.append(f"image: {spec.image}, with {RUN_TRAIN} in it")


def _judge_resources(
    spec: JobSpec, options: ModelArtsOptions, honoured: list[str], emulated: list[str], impossible: list[str]
) -> None:
    resources = spec.resources
    machine = f"the flavor {options.flavor}" if options.flavor else f"the pool {options.pool_id or '(none is named)'}"
    if options.flavor is None and options.pool_id is None:
        impossible.append(
            "resources: neither the option flavor nor pool_id says on which kind of machine: give -o flavor=NAME"
        )
    honoured.append(f"resources.nodes: {resources.nodes}")
    refused = unsupported_gpu(resources.gpu_type) or unsupported_gpu(options.flavor)
    if refused:
        impossible.append(f"resources.gpu_type: {refused}")
    slice_ = _POOL_FLAVOR.fullmatch(options.flavor or "")
    there = _POOL_FLAVORS.get(slice_[1]) if slice_ else None
    if there is not None and resources.gpus:
        if resources.gpus == there:
            honoured.append(f"resources.gpus: {there}, which {options.flavor} has")
        else:
            impossible.append(f"resources.gpus: {resources.gpus} are asked for, {options.flavor} has {there}")
    elif resources.gpus:
        emulated.append(f"resources.gpus: {resources.gpus} is recorded; {machine} decides")
    for name in ("gpu_type", "cpus", "memory"):
        value = getattr(resources, name)
        if value is not None and not (name == "gpu_type" and refused):
            emulated.append(f"resources.{name}: {value} is recorded; {machine} decides")
