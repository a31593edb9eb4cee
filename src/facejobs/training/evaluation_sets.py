"""The sets a run is measured on stay the same from its beginning to its end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from facejobs.data.errors import DataError


class EvaluationSet(Protocol):
    """Anything that is measured on; equal protocols, comparable numbers."""

    @property
    def name(self) -> str:
        """Metrics carry it."""

    @property
    def protocol(self) -> str:
        """How it is measured, and which data they are."""


SetType = TypeVar("SetType", bound=EvaluationSet)


def as_it_began(sets: Sequence[SetType], began_with: Mapping[str, str] | None, data: Path) -> list[SetType]:
    """`sets`, or for a run that goes on those of the names and protocols it `began_with`.

    Raises DataError where one of these has changed or is gone, or where two sets have one name.
    """
    names = [one.name for one in sets]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"several evaluation sets are named {', '.join(repeated)}: rename one, metrics carry the name")
    if began_with is None:
        return list(sets)
    by_name = {one.name: one for one in sets}
    for name, protocol in began_with.items():
        if name not in by_name:
            raise DataError(
                f"the run began with the evaluation set {name}, which is no longer in or beside {data}: put it back, "
                "or name another output folder"
            )
        if by_name[name].protocol != protocol:
            raise DataError(
                f"the run began with another evaluation set {name} ({protocol}, now {by_name[name].protocol}): put the "
                "former one back, or name another output folder"
            )
    return [by_name[name] for name in began_with]
