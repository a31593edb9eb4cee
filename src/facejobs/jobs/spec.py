"""A job spec: which command runs with which inputs, parameters and resources (docs/reference/job-spec.md)."""

import difflib
import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from facejobs.jobs.errors import SpecError
from facejobs.jobs.image.reference import parse_reference
from facejobs.jobs.placeholders import check_placeholders, fill_command
from facejobs.jobs.quantities import parse_duration, parse_memory
from facejobs.jobs.secrets import holds_credentials, looks_secret, place_of_credentials
from facejobs.storage import environment as contract
from facejobs.storage.url import is_remote, parse_url

Scalar = bool | int | float | str

BACKENDS = ("local", "container", "slurm", "kubernetes", "modelarts")
JOB_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_ENTRY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_PARAMETER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIALS = "{} holds credentials: leave them out, and name their variables in 'secrets'"
# What facejobs tells every task itself; a spec that said otherwise would break the task.
_OWN_VARIABLES = frozenset(
    (
        contract.JOB_ID,
        contract.TASK_INDEX,
        contract.TASK_NUMBER,
        contract.TASK_HOSTS,
        contract.DATA_URL,
        contract.TRAIN_URL,
        contract.LOG_URL,
        contract.WORK,
        contract.INPUTS,
        contract.STORE,
        contract.VERSION_URL,
        contract.OUTPUT_URL,
        contract.SECRETS,
        contract.ATTEMPT,
        contract.ATTEMPTS,
        contract.TIME_LIMIT,
    )
)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a command")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not valid Unicode") from None
    return text


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("expected a finite number; put it in quotes if the command takes such a word")
    return number


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _memory(value: object) -> object:
    return parse_memory(value) if isinstance(value, str) else value


def _digits(value: object) -> object:
    """Whole numbers are what people write unquoted in an environment; other values may be spelt in several ways."""
    return str(value) if type(value) is int else value


Text = Annotated[StrictStr, AfterValidator(_no_nul)]
Line = Annotated[Text, Field(min_length=1)]
# Whole numbers of more than 18 digits are beyond what JSON readers keep exactly.
_Whole = Annotated[StrictInt, Field(gt=-(10**18), lt=10**18)]
Parameter = StrictBool | _Whole | Annotated[StrictFloat, AfterValidator(_finite)] | Text


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(_Model):
    """What one node of the job needs."""

    gpus: StrictInt = Field(0, ge=0, le=64, description="GPUs of each node")
    gpu_type: Line | None = Field(None, description="kind of GPU, as the backend names it: V100, A100")
    cpus: float | None = Field(None, gt=0, le=4096, description="CPU cores of each node")
    memory: Annotated[StrictInt, Field(gt=0, lt=1 << 60)] | None = Field(None, description="memory of each node: 16GiB")
    nodes: StrictInt = Field(1, ge=1, le=4096, description="how many nodes")

    _parse_memory = field_validator("memory", mode="before")(_memory)


class JobSpec(_Model):
    """One job. Raises pydantic's ValidationError; `load_spec` and `changed` turn it into SpecError."""

    name: Line = Field(description="name of the job: 1 to 64 letters, digits, '_' or '-', the first no '-'")
    description: Text = Field("", description="what it is for")
    image: Line | None = Field(None, description="container image")
    command: Line = Field(description="the command; paths and parameters are appended to it")
    inputs: dict[str, Line] = Field(default_factory=dict, description="name: path or URL")
    outputs: dict[str, Line | None] = Field(description="name: URL of a second copy of the model, or nothing")
    parameters: dict[str, Parameter] = Field(default_factory=dict, description="name: value, given as --name value")
    resources: Resources = Field(default_factory=Resources, description="what each node needs")
    retries: StrictInt = Field(0, ge=0, le=100, description="how often a failed attempt is repeated")
    time_limit: Annotated[StrictInt, Field(gt=0, le=contract.LONGEST_SECONDS)] | None = Field(
        None, description="longest time of one attempt: 90m, 2h, or seconds"
    )
    environment: dict[str, Annotated[Text, BeforeValidator(_digits)]] = Field(
        default_factory=dict, description="NAME: value of more environment variables"
    )
    secrets: list[Line] = Field(
        default_factory=list, description="names of variables whose values are taken from the submitter's environment"
    )

    backends: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict, description="NAME: what only that backend needs, such as slurm: {partition: gpu}"
    )

    _parse_time_limit = field_validator("time_limit", mode="before")(_duration)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not JOB_NAME.fullmatch(name):
            raise ValueError("expected 1 to 64 letters, digits, '_' or '-', the first no '-'")
        return name

    @field_validator("image")
    @classmethod
    def _check_image(cls, image: str | None) -> str | None:
        if image is not None:
            try:
                parse_reference(image)
            except SpecError as error:
                raise ValueError(str(error)) from None
        return image

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"not a command line: {str(error).lower()}") from None
        if not words:
            raise ValueError("expected a command")
        if any(holds_credentials(word) for word in words):
            raise ValueError(_CREDENTIALS.format("it"))
        return command

    @field_validator("inputs", "outputs")
    @classmethod
    def _check_entries(cls, entries: dict[str, str | None]) -> dict[str, str | None]:
        for name, url in entries.items():
            if not _ENTRY.fullmatch(name):
                raise ValueError(f"{name!r} is no name: expected up to 64 letters, digits, '_' or '-', a letter first")
            if url is not None and holds_credentials(url):
                raise ValueError(_CREDENTIALS.format(name))
        return entries

    @field_validator("outputs")
    @classmethod
    def _check_one_output(cls, outputs: dict[str, str | None]) -> dict[str, str | None]:
        if len(outputs) != 1:
            raise ValueError(
                f"expected exactly one output, found {len(outputs)}: write several results into subfolders of one"
            )
        return outputs

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Scalar]) -> dict[str, Scalar]:
        for name, value in parameters.items():
            if not _PARAMETER.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a parameter: write it as in --name, without the hyphens")
            if looks_secret(name):
                raise ValueError(
                    f"{name} looks like a secret, and parameters are kept for good: "
                    "have the command read it from its environment, and name the variable in 'secrets'"
                )
            if isinstance(value, str) and holds_credentials(value):
                raise ValueError(_CREDENTIALS.format(name))
        return parameters

    @field_validator("environment")
    @classmethod
    def _check_environment(cls, environment: dict[str, str]) -> dict[str, str]:
        for name, value in environment.items():
            _check_variable(name)
            if looks_secret(name) or holds_credentials(value):
                raise ValueError(
                    f"{name} looks like a secret: put its name into 'secrets'; "
                    "the value is then taken from the environment of whoever submits, and written nowhere"
                )
        return environment

    @field_validator("secrets")
    @classmethod
    def _check_secrets(cls, secrets: list[str]) -> list[str]:
        for name in secrets:
            _check_variable(name)
        return secrets

    @field_validator("backends")
    @classmethod
    def _check_backends(cls, backends: dict[str, dict[str, JsonValue]]) -> dict[str, dict[str, JsonValue]]:
        for name, options in backends.items():
            if name not in BACKENDS:
                near = difflib.get_close_matches(name.lower(), BACKENDS, n=1)
                raise ValueError(
                    f"{name!r} is no backend: "
                    + (f"did you mean {near[0]}?" if near else f"there is {', '.join(BACKENDS)}")
                )
            if place_of_credentials(options) is not None:
                raise ValueError(_CREDENTIALS.format(name))
        return backends

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        both = sorted(set(self.secrets) & self.environment.keys())
        if both:
            raise ValueError(f"{both[0]} stands in 'environment' and in 'secrets': leave it in 'secrets' only")
        check_placeholders(shlex.split(self.command), self.inputs, self.outputs)
        return self

    @property
    def output(self) -> str:
        """The name of the one output."""
        return next(iter(self.outputs))

    @property
    def output_url(self) -> str | None:
        """Where a second copy of `model/` goes, if anywhere."""
        return self.outputs[self.output]

    def changed(self, **fields: Any) -> "JobSpec":
        """This spec with other values of whole fields, validated anew; SpecError."""
        from facejobs.jobs.spec_file import validate_spec

        return validate_spec({**self.model_dump(), **fields})

    def resolved(self, folder: Path) -> "JobSpec":
        """This spec with relative paths taken from `folder`, so it means the same anywhere; raises StorageError."""

        def resolve(url: str) -> str:
            if is_remote(url):
                return url
            parse_url(url)  # raises for what is meant as a URL
            return str((folder / Path(url).expanduser()).resolve())

        inputs = {name: resolve(url) for name, url in self.inputs.items()}
        outputs = {name: None if url is None else resolve(url) for name, url in self.outputs.items()}
        return self.changed(inputs=inputs, outputs=outputs)

    def command_line(self, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
        """The command's words with the paths of its inputs and its output, then `--name value` of each parameter."""
        words = fill_command(shlex.split(self.command), inputs, outputs)
        for name, value in self.parameters.items():
            words += [f"--{name}", parameter_text(value)]
        return words


def parameter_text(value: Scalar) -> str:
    """A parameter as a command receives it: true and false in lower case, numbers without loss."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_variable(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a variable: expected letters, digits and '_'")
    if name in _OWN_VARIABLES:
        raise ValueError(f"{name} is set by facejobs itself: leave it out")


def load_spec(path: Path) -> JobSpec:
    """Read a job spec from YAML; SpecError names file and line of whatever is wrong."""
    from facejobs.jobs.spec_file import read_spec

    return read_spec(path)
