"""From a ModelArts V1 version to a job spec: what it ran, as far as a spec can say it, and notes on the rest."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from facejobs.jobs.errors import SpecError
from facejobs.jobs.modelarts_export import ExportedVersion, ExportError
from facejobs.jobs.overrides import parse_scalar
from facejobs.jobs.secrets import holds_credentials, looks_secret
from facejobs.jobs.spec import JobSpec, Scalar, parameter_text
from facejobs.jobs.spec_file import validate_spec
from facejobs.storage import environment as names
from facejobs.storage.url import is_remote

REMOVED = "REMOVED"
_PARAMETER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# What a shell would do something with; words without these need no shell.
_SHELL = re.compile(r"[$`|&;<>()*?\n]|^\s*(?:(?:cd|export|source)\s|\w+=)")
_RUN_TRAIN = re.compile(r"(?:bash|sh)(?:\s+-\S+)*\s+/home/work/run_train\.sh\s+")
_LONGEST_TEXT = 4096


@dataclass
class Translation:
    """A spec, and what was left out of it or changed, for people."""

    spec: JobSpec
    notes: list[str] = field(default_factory=list)


def to_spec(version: ExportedVersion) -> Translation:
    """The spec of a version; ExportError naming what no spec can hold."""
    notes: list[str] = []
    inputs = _inputs(version, notes)
    environment: dict[str, str] = {}
    if _harmless(version.app_url, "app_url", notes):
        environment[names.APP_URL] = obs_url(str(version.app_url))
    values: dict[str, Any] = {
        "name": version.job_name,
        "description": _harmless(version.job_desc, "job_desc", notes) or "",
        "image": _harmless(version.user_image_url, "user_image_url", notes),
        "command": _command(version, inputs, notes),
        "inputs": inputs,
        "outputs": {"model": None},
        "parameters": _parameters(version, notes),
        "resources": _resources(version),
        "environment": environment,
        "backends": {"modelarts": _options(version)},
    }
    try:
        return Translation(validate_spec(values), notes)
    except SpecError as error:
        raise ExportError(f"{version.job_name} {version.version_name or version.native_id}: {error}") from None


def obs_url(path: str) -> str:
    """A place in OBS as V1 writes it, `/bucket/folder/`, as a URL; other URLs stay."""
    return path if is_remote(path) else f"obs://{path.strip('/')}"


def _harmless(text: str | None, name: str, notes: list[str]) -> str | None:
    if text and holds_credentials(text):
        notes.append(f"{name} holds credentials and was left out")
        return None
    return text or None


def _inputs(version: ExportedVersion, notes: list[str]) -> dict[str, str]:
    places = [version.data_url] if version.data_url else []
    places += [source.data_url for source in version.data_source if source.data_url]
    found: dict[str, str] = {}
    for place in dict.fromkeys(places):
        if _harmless(place, "data_url", notes):
            found["data" if not found else f"data_{len(found) + 1}"] = obs_url(place)
    sets = [(version.dataset_id, version.dataset_version_id)]
    sets += [(source.dataset_id, source.dataset_version) for source in version.data_source]
    for id, number in dict.fromkeys(sets):
        if id:
            notes.append(
                f"its data set {id}{f' version {number}' if number else ''} is known to ModelArts only: "
                "name where it lies with -i data=obs://BUCKET/FOLDER to run it again"
            )
    return found


def _command(version: ExportedVersion, inputs: dict[str, str], notes: list[str]) -> str:
    """The words that run_train.sh ran, or the boot file as ModelArts' engines start it."""
    if version.user_command and version.user_command.strip():
        notes.append(
            "ModelArts gave its image the input, the output and the parameters as variables; "
            "run again, their paths and --name value are appended to the command"
        )
        text = _RUN_TRAIN.sub("", version.user_command.strip(), count=1)
        return _without_secrets(_escaped(text), notes)
    if version.boot_file_url:
        app = (version.app_url or "").strip("/")
        boot = version.boot_file_url.strip("/")
        file = boot.removeprefix(f"{app}/") if app and boot.startswith(f"{app}/") else PurePosixPath(boot).name
        data = "".join(f" --{name}_url {{inputs.{name}}}" for name in inputs)
        engine = " ".join(part for part in (version.engine_name, version.engine_version) if part)
        if engine:
            notes.append(f"it ran with the engine {engine}: name an image that has it to run it again")
        return f"python {shlex.quote(_braces(file))}{data} --train_url {{outputs.model}}"
    notes.append("it names no command and no boot file: it can be compared, not run again")
    return "false"


def _escaped(text: str) -> str:
    """A command for a spec, which is run without a shell: one that needs a shell is given one."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words or _SHELL.search(text):
        words = ["sh", "-c", text]
    return shlex.join(_braces(word) for word in words)


def _braces(word: str) -> str:
    """Braces as a spec's command writes them, where `{inputs.NAME}` stands for a path."""
    return word.replace("{inputs.", "{ inputs.").replace("{outputs.", "{ outputs.")


def _without_secrets(command: str, notes: list[str]) -> str:
    """The command with values that look like secrets removed: `--password X`, `TOKEN=X`, `scheme://user:password@…`."""
    words = shlex.split(command)
    before = ["", *words]
    clean = [_clean(word, _names_secret(before[number])) for number, word in enumerate(words)]
    if clean != words:
        notes.append("user_command held what looks like a secret, which was removed")
    return shlex.join(clean)


def _names_secret(option: str) -> bool:
    """Whether the word after this one is a secret: `--password`."""
    return option.startswith("-") and "=" not in option and looks_secret(option.lstrip("-"))


def _clean(word: str, after_secret: bool) -> str:
    name, equals, _ = word.partition("=")
    several = re.split(r"[\s=]+", word) if re.search(r"\s", word) else []
    if (after_secret and not word.startswith("--")) or any(map(looks_secret, several)):
        return REMOVED
    if equals and looks_secret(name.lstrip("-")):
        return f"{name}={REMOVED}"
    return re.sub(r"://[^/?#\s]*@", "://", word) if holds_credentials(word) else word


def _parameters(version: ExportedVersion, notes: list[str]) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for item in version.parameter:
        label = (item.label or "").strip()
        text = item.value if isinstance(item.value, str) else json.dumps(item.value)
        if not label:
            continue
        if looks_secret(label) or holds_credentials(text):
            notes.append(f"the parameter {label} looks like a secret and was left out")
        elif not _PARAMETER.fullmatch(label) or "\0" in text or len(text) > _LONGEST_TEXT:
            notes.append(f"the parameter {label!r:.80} cannot be one of a spec and was left out")
        else:
            found[label] = typed(item.value)
    return found


def typed(value: Any) -> Scalar:
    """A parameter's value as true, false, a number or text: a number only where it is written as that number."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        text = json.dumps(value)
        parsed = parse_scalar(text)
        return parsed if parameter_text(parsed) == text else text
    if not isinstance(value, str):
        return "" if value is None else json.dumps(value)
    parsed = parse_scalar(value)
    return parsed if parameter_text(parsed) == value else value


def _resources(version: ExportedVersion) -> dict[str, Any]:
    found: dict[str, Any] = {"nodes": version.worker_server_num or 1}
    if version.gpu_num:
        found["gpus"] = version.gpu_num
        if version.gpu_type:
            found["gpu_type"] = version.gpu_type
    if version.core and version.core > 0:
        found["cpus"] = version.core
    return found


def _options(version: ExportedVersion) -> dict[str, Any]:
    options: dict[str, Any] = {"api": "v1"}
    if version.spec_id:
        options["flavor"] = str(version.spec_id)
    if version.pool_id:
        options["pool_id"] = version.pool_id
    return options
