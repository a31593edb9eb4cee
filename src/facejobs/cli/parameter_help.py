"""Training parameters as rows of a help page: what each means, which values it takes, its default."""

from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from facejobs.training.parameters import Parameters, option_name


def parameter_rows(parameters: type[Parameters]) -> list[tuple[str, str]]:
    """`--name` and description of every parameter, in the order of the class."""
    return [(option_name(name), _describe(field)) for name, field in parameters.model_fields.items()]


def _describe(field: FieldInfo) -> str:
    facts = [fact for fact in (_choices(field), _limits(field), f"default: {_default(field.default)}") if fact]
    return f"{field.description} [{'; '.join(facts)}]"


def _choices(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType] or [field.annotation]
    if get_origin(field.annotation) is Literal:
        return ", ".join(kinds)
    return "true, false" if kinds == [bool] else ""


def _limits(field: FieldInfo) -> str:
    """The range as `0<=x<1`, as the other options of the command line show theirs."""
    limits = {
        name: getattr(rule, name) for rule in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)
    }
    lower = next((f"{limits[name]}{sign}" for name, sign in (("ge", "<="), ("gt", "<")) if name in limits), "")
    upper = next((f"{sign}{limits[name]}" for name, sign in (("le", "<="), ("lt", "<")) if name in limits), "")
    if lower and not upper:
        return f"x>={limits['ge']}" if "ge" in limits else f"x>{limits['gt']}"
    return f"{lower}x{upper}" if lower or upper else ""


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        value = ",".join(str(item) for item in value)
    if isinstance(value, bool):
        value = str(value).lower()
    return "none" if value in (None, "") else str(value)
