"""From a YAML file to a JobSpec: every mistake with its file and line, and the right name beside a misspelt one."""

import difflib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from facejobs.jobs.errors import SpecError
from facejobs.jobs.spec import JobSpec, Resources
from facejobs.jobs.yaml_document import YamlDocument, read_yaml

_EXPECTED = {
    "string_type": "expected text; put it in quotes",
    "string_too_short": "expected text, found nothing",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping of names to values",
    "list_type": "expected a list",
    "model_type": "expected a mapping of names to values",
    "model_attributes_type": "expected a mapping of names to values",
}
# Where a value may be of several types, pydantic reports one error for each; the user needs one for all.
_SCALAR_KINDS = frozenset(("bool", "int", "float", "str"))
_MAX_LISTED = 10


def read_spec(path: Path) -> JobSpec:
    """Read and validate a job spec; SpecError names file and line."""
    document = read_yaml(path)
    if not isinstance(document.value, dict):
        raise SpecError(f"{document.where()}: expected a mapping with name, command and outputs")
    spec = validate_spec(document.value, document)
    _check_backends(spec, document)
    return spec


def _check_backends(spec: JobSpec, document: YamlDocument) -> None:
    """Of all backends that the spec speaks to, not only of the one it is sent to now."""
    if not spec.backends:
        return
    from facejobs.jobs.backends.opening import check_spec_options

    for name, options in spec.backends.items():
        check_spec_options(name, options, partial(_where_said, document, name))


def _where_said(document: YamlDocument, backend: str, path: tuple[str | int, ...]) -> str:
    return document.where(("backends", backend, *path))


def validate_spec(values: Mapping[str, Any], document: YamlDocument | None = None) -> JobSpec:
    """Validate the fields of a spec; SpecError, with file and line where they come from a document."""
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:
        problems = _one_for_each_place(error.errors(include_url=False))
        lines = [_explain(item, path, document) for path, item in list(problems.items())[:_MAX_LISTED]]
        raise SpecError("\n".join(lines)) from None


def _one_for_each_place(errors: list[ErrorDetails]) -> dict[tuple[str | int, ...], ErrorDetails]:
    problems: dict[tuple[str | int, ...], ErrorDetails] = {}
    for item in errors:
        path = item["loc"]
        if path[:1] == ("parameters",):
            path = path[:2]
        if path in problems and item["type"] != "value_error":
            continue
        problems[path] = item
    return problems


def _explain(item: ErrorDetails, path: tuple[str | int, ...], document: YamlDocument | None) -> str:
    where = f"{document.where(path)}: " if document else ""
    name = ".".join(str(part) for part in path)
    kind = item["type"]
    if kind == "extra_forbidden":
        return where + _unknown(path)
    if kind == "missing":
        return f"{where}{name} is missing: {_fields(path[:-1])[str(path[-1])].description}"
    if kind == "value_error":
        problem = str(item["ctx"]["error"])
        return f"{where}{name}: {problem}" if name else where + problem
    if path[:1] == ("parameters",) and len(path) == 2 and kind != "string_too_short":
        problem = "expected text, a number, true or false"
        if isinstance(item["input"], list):
            problem += "; write a list as text: '0.5,0.9'"
        if item["input"] is None:
            problem += "; leave the parameter out to use the command's default"
    else:
        problem = _EXPECTED.get(kind) or item["msg"][0].lower() + item["msg"][1:]
    return f"{where}{name}: {problem}, found {_shown(item['input'])}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(value)[:60]


def _fields(path: tuple[str | int, ...]) -> Mapping[str, Any]:
    model: type[BaseModel] = Resources if path[:1] == ("resources",) else JobSpec
    return model.model_fields


def _unknown(path: tuple[str | int, ...]) -> str:
    names = list(_fields(path[:-1]))
    typed = str(path[-1])
    near = difflib.get_close_matches(typed.lower().replace("-", "_"), names, n=2, cutoff=0.6)
    inside = f" in {path[0]}" if len(path) > 1 else ""
    hint = f"did you mean {' or '.join(near)}?" if near else f"the keys are {', '.join(names)}"
    return f"unknown key {typed!r}{inside}: {hint}"
