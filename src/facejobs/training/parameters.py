"""What every task's training parameters share: names as users type them, validation, near misses."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from facejobs.training.errors import ParameterError


def option_name(field: str) -> str:
    """The name a user types for a field: `batch_size` is `--batch-size`."""
    return "--" + field.replace("_", "-")


class Parameters(BaseModel):
    """Parameters of the training loop itself; each task adds its own in a subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # A run may be resumed with other values of these: they change how fast it goes, not what it computes.
    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = frozenset({"threads", "gpus", "checkpoint_every", "hang_minutes"})

    batch_size: int = Field(64, ge=2, description="images a step, over all devices together")
    epochs: int = Field(32, ge=1, description="passes over the data")
    max_steps: int | None = Field(None, ge=1, description="stop after this many steps, whatever --epochs says")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="sgd has momentum")
    lr: float = Field(0.1, gt=0, description="learning rate after the warm-up")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    weight_decay: float = Field(5e-4, ge=0, description="weight decay; never on batch norms, biases and slopes")
    schedule: Literal["constant", "step", "linear", "cosine", "plateau"] = Field(
        "cosine", description="how the learning rate falls"
    )
    warmup_steps: int = Field(50, ge=0, description="steps over which the learning rate rises from zero")
    lr_steps: tuple[float, ...] = Field(
        (0.55, 0.9),
        description="step schedule: ascending fractions of the run, in (0, 1), at which --lr-decay is applied",
    )
    lr_decay: float = Field(0.1, gt=0, lt=1, description="factor of the step and plateau schedules")
    plateau_patience: int = Field(2, ge=1, description="plateau schedule: evaluations without gain before a decay")
    gradient_clip: float = Field(5.0, ge=0, description="largest global gradient norm; 0 leaves gradients as they are")
    checkpoint_every: int = Field(200, ge=1, description="steps between checkpoints")
    eval_every: int = Field(0, ge=0, description="steps between evaluations; 0 evaluates once, at the end")
    eval_data: tuple[str, ...] = Field(
        (), description="evaluation sets, comma-separated; none measures those that lie with the data"
    )
    early_stop: int = Field(0, ge=0, description="stop after this many evaluations without gain; 0 never does")
    seed: int = Field(1, ge=0, lt=2**31, description="seed of weights, order and augmentation")
    threads: int = Field(2, ge=1, le=64, description="threads that decode images")
    gpus: str = Field("", description="GPU numbers, comma-separated; none trains on the CPU")
    hang_minutes: float = Field(30.0, gt=0, le=10_000, description="minutes without a step after which training fails")
    init: str | None = Field(None, description="file of initial weights (.npz or MXNet .params)")

    @field_validator("lr_steps")
    @classmethod
    def _ascending_fractions(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        edges = (0.0, *steps, 1.0)
        if any(earlier >= later for earlier, later in pairwise(edges)):
            raise ValueError("give ascending fractions of the run, above 0 and below 1, such as 0.55,0.9")
        return steps

    @classmethod
    def from_texts(cls, values: Mapping[str, Any]) -> Self:
        """Validate values named as users type them; raises ParameterError naming near misses."""
        named: dict[str, Any] = {}
        for name, value in values.items():
            field = name.removeprefix("--").replace("-", "_")
            if field not in cls.model_fields:
                raise ParameterError(cls._unknown(name))
            if field in named:
                raise ParameterError(f"{option_name(field)} is given twice")
            named[field] = _as_list(value) if cls._is_list(field) else value
        try:
            return cls(**named)
        except ValidationError as error:
            raise ParameterError("\n".join(_explain(item) for item in error.errors())) from None

    @classmethod
    def _is_list(cls, field: str) -> bool:
        return isinstance(cls.model_fields[field].default, tuple)

    @classmethod
    def _unknown(cls, name: str) -> str:
        names = [option_name(field) for field in cls.model_fields]
        typed = option_name(name.removeprefix("--"))
        near = difflib.get_close_matches(typed, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the parameters are: {' '.join(names)}"
        return f"unknown parameter {typed}: {hint}"

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Which parameters differ from `other` in a way that makes it another run, as text, one each."""
        mine = self.as_json()
        here, there = _decisive(mine), _decisive(other)
        return [
            f"{option_name(name)} {other.get(name)!r} there, {mine.get(name)!r} here"
            for name in sorted(mine.keys() | other.keys())
            if name not in self.MAY_CHANGE_ON_RESUME and here.get(name) != there.get(name)
        ]

    def as_json(self) -> dict[str, Any]:
        """Every parameter with its resolved value, JSON-ready."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """SHA-256 of the parameters that decide what is computed."""
        values = _decisive(self.as_json())
        decisive = {name: value for name, value in values.items() if name not in self.MAY_CHANGE_ON_RESUME}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _decisive(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they count for what is computed: files go by name, because on another machine, where a run is resumed,
    they lie elsewhere.
    """
    decisive = dict(values)
    if isinstance(sets := values.get("eval_data"), list):
        decisive["eval_data"] = [Path(str(path)).name for path in sets]
    if isinstance(initial := values.get("init"), str):
        decisive["init"] = Path(initial).name
    return decisive


def _as_list(value: Any) -> Any:
    if isinstance(value, str):
        return [part for part in value.split(",") if part]
    return value if isinstance(value, list | tuple) else [value]


def _explain(item: Any) -> str:
    problem = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:  # of several parameters, which the problem names
        return str(problem)
    name = option_name(str(item["loc"][0]))
    given = item["input"]
    if isinstance(given, list | tuple):
        given = ",".join(map(str, given))
    return f"{name} {given!r}: {problem[0].lower()}{problem[1:]}{_near_choice(item)}"


def _near_choice(item: Any) -> str:
    if item["type"] != "literal_error":
        return ""
    choices = re.findall(r"'([^']*)'", item["ctx"]["expected"])
    near = difflib.get_close_matches(str(item["input"]), choices, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def parse_options(arguments: Iterable[str]) -> dict[str, str]:
    """`--name value` and `--name=value` pairs as a mapping of `--name`; raises ParameterError at anything else.

    A value that itself begins with `--` can be given in the second form only.
    """
    values: dict[str, str] = {}
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("--"):
            raise ParameterError(f"unexpected argument {argument!r}: parameters are given as --name value")
        name, equals, value = argument.partition("=")
        name = option_name(name.removeprefix("--"))
        if not equals:
            following = next(waiting, None)
            if following is None or following.startswith("--"):
                raise ParameterError(f"{name} needs a value: give it as {name} VALUE")
            value = following
        if name in values:
            raise ParameterError(f"{name} is given twice")
        values[name] = value
    return values


def read_recipe(path: Path) -> dict[str, Any]:
    """The `parameters` mapping of a YAML recipe, by `--name`; raises ParameterError naming file and line."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"cannot read the recipe {path}: {error}") from None
    except yaml.YAMLError as error:
        raise ParameterError(f"{path} is not YAML: {error}") from None
    parameters = document.get("parameters") if isinstance(document, dict) else None
    if not isinstance(parameters, dict) or not all(isinstance(name, str) for name in parameters):
        raise ParameterError(f"{path} has no mapping 'parameters' of names to values")
    values: dict[str, Any] = {}
    for name, value in parameters.items():
        if option_name(name) in values:
            raise ParameterError(f"{path} gives {option_name(name)} twice")
        values[option_name(name)] = value
    return values
