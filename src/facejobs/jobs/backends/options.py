"""Reads what a spec, or `-o name=value`, says to one backend."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.errors import SpecError

Options = TypeVar("Options", bound=BackendOptions)
Where = Callable[[tuple[str | int, ...]], str]


def read_options(model: type[Options], backend: str, values: Mapping[str, Any]) -> Options:
    """The options of a backend; SpecError names the key that is wrong, and the right one beside a misspelt one."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SpecError("\n".join(_explain(model, backend, item) for item in error.errors(include_url=False))) from None


def check_options(model: type[BackendOptions], backend: str, values: Mapping[str, Any], where: Where) -> None:
    """Raise SpecError for each wrong key of a spec, which stands at `where(path)`; one that lacks may come by `-o`."""
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        wrong = [item for item in error.errors(include_url=False) if item["loc"] and item["type"] != "missing"]
        if wrong:
            lines = [f"{where(item['loc'])}: {_explain(model, backend, item)}" for item in wrong]
            raise SpecError("\n".join(lines)) from None


def _explain(model: type[BackendOptions], backend: str, item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        message = str(item["ctx"]["error"]) if item["type"] == "value_error" else item["msg"]
        return f"backends.{backend}.{place}: {message[:1].lower()}{message[1:]}, found {item['input']!r:.60}"
    *above, typed = map(str, item["loc"])
    names = list(_model_of(model, above).model_fields)
    if not names:
        return f"backends.{backend}.{place}: the backend {backend} has no options; leave it out"
    near = difflib.get_close_matches(typed.lower().replace("-", "_"), names, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the keys are {', '.join(names)}"
    return f"unknown key {typed!r} in {'.'.join(['backends', backend, *above])}: {hint}"


def _model_of(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The model of a mapping within the options, by its keys from the top."""
    for key in path:
        kind = model.model_fields[key].annotation if key in model.model_fields else None
        model = next(
            (one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)), model
        )
    return model
