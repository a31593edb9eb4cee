"""Reads what a spec, or `-o name=value`, says to one backend."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.errors import SpecError

Options = TypeVar("Options", bound=BackendOptions)


def read_options(model: type[Options], backend: str, values: Mapping[str, Any]) -> Options:
    """The options of a backend; SpecError names the key that is wrong, and the right one beside a misspelt one."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SpecError("\n".join(_explain(model, backend, item) for item in error.errors(include_url=False))) from None


def _explain(model: type[BackendOptions], backend: str, item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden" or len(item["loc"]) != 1:
        message = str(item["ctx"]["error"]) if item["type"] == "value_error" else item["msg"]
        return f"backends.{backend}.{place}: {message[:1].lower()}{message[1:]}, found {item['input']!r:.60}"
    names = list(model.model_fields)
    if not names:
        return f"backends.{backend}.{place}: the backend {backend} has no options; leave it out"
    near = difflib.get_close_matches(place.lower().replace("-", "_"), names, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the keys are {', '.join(names)}"
    return f"unknown key {place!r} in backends.{backend}: {hint}"
