"""`-p name=value`, `-i name=url`, `-e NAME=value`: changes of a spec from the command line."""

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any

from facejobs.jobs.backends.opening import takes_text
from facejobs.jobs.errors import SpecError
from facejobs.jobs.secrets import holds_credentials
from facejobs.jobs.spec import JobSpec, Scalar
from facejobs.jobs.version_record import BackendBlock

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_DECIMAL = re.compile(r"-?((0|[1-9]\d*)(\.\d*|(?=[eE]))|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Names as close as this to one in the spec are taken for a slip of the finger.
_TOO_CLOSE = 0.8


def apply_overrides(
    spec: JobSpec,
    parameters: Iterable[str] = (),
    inputs: Iterable[str] = (),
    environment: Iterable[str] = (),
) -> JobSpec:
    """The spec with changes, each as `name=value`; SpecError names the one that is wrong.

    A parameter that the spec does not have is added, unless its name nearly is that of one it has. An input must be
    one of the spec's.
    """
    changed_parameters = dict(spec.parameters)
    for name, text in _pairs(parameters, "-p"):
        known = _parameter_name(spec, name)
        # What the spec writes as text stays text: "0,1", "007".
        is_text = isinstance(spec.parameters.get(known), str)
        changed_parameters[known] = text if is_text else parse_scalar(text)
    changed_inputs = dict(spec.inputs)
    for name, url in _pairs(inputs, "-i"):
        if name not in changed_inputs:
            there = f"there is {', '.join(changed_inputs)}" if changed_inputs else "it has none"
            raise SpecError(f"-i {name}: {spec.name} has no such input; {there}")
        changed_inputs[name] = url
    changed_environment = {**spec.environment, **dict(_pairs(environment, "-e"))}
    return spec.changed(parameters=changed_parameters, inputs=changed_inputs, environment=changed_environment)


def apply_options(
    spec: JobSpec, backend: str, options: Iterable[str] = (), parent: BackendBlock | None = None
) -> dict[str, Any]:
    """What is said to a backend: what the `parent` was sent with there, else what the spec says; changed by `-o`.

    Raises SpecError for what is no `name=value`.
    """
    said = parent.options if parent and parent.name == backend else spec.backends.get(backend, {})
    return {**said, **option_values(backend, options)}


def option_values(backend: str, options: Iterable[str]) -> dict[str, Any]:
    """The values of `-o name=value`, by name; SpecError for what is no such pair.

    What the backend takes as text stays as it was typed: an account may be called 0815 or 1e3. It is kept in the
    version for good, so a URL with a user and a password is refused.
    """
    pairs = _pairs(options, "-o")
    for name, text in pairs:
        if holds_credentials(text):
            raise SpecError(f"-o {name} holds a user and a password, for all to see who see the version: take them out")
    return {name: text if takes_text(backend, name) else parse_scalar(text) for name, text in pairs}


def parse_scalar(text: str) -> Scalar:
    """A value as typed: true or false, a whole number, a number, else text."""
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _pairs(items: Iterable[str], option: str) -> list[tuple[str, str]]:
    pairs: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        name = name.strip().removeprefix("--")
        if not equals or not name:
            raise SpecError(f"{option} {item}: write it as {option} name=value")
        if name in pairs:
            raise SpecError(f"{option} {name} is given twice")
        pairs[name] = value
    return list(pairs.items())


def _parameter_name(spec: JobSpec, typed: str) -> str:
    """The spec's spelling of a parameter (`batch_size` is `batch-size`), or the typed name if it is a new one."""
    spellings = {name.replace("_", "-").lower(): name for name in spec.parameters}
    plain = typed.replace("_", "-").lower()
    if plain in spellings:
        return spellings[plain]
    near = difflib.get_close_matches(plain, spellings, n=2, cutoff=_TOO_CLOSE)
    if near:
        names = " or ".join(spellings[name] for name in near)
        raise SpecError(
            f"-p {typed}: {spec.name} has no such parameter; did you mean {names}? "
            f"If it is another one, submit a spec that has {typed}"
        )
    return typed
