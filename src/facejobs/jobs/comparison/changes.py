"""What differs between versions, and which of it may be a cause."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from facejobs.jobs.comparison.run import SEED, Aspect, Fact, Run

_SEED_FACT = Fact(Aspect.PARAMETER, SEED)


class _Absent:
    """The value of a fact that a version does not have; unlike None, which is a value."""

    def __repr__(self) -> str:
        return "–"


ABSENT = _Absent()


@dataclass(frozen=True)
class Change:
    """A fact that differs between two versions.

    `follows` marks a parameter that neither spec sets differently: its value follows from something else that changed,
    such as a default of other code or a path made of an input's. `without_influence` marks what does not
    change a result.
    """

    fact: Fact
    before: Any
    after: Any
    follows: bool = False
    without_influence: bool = False


def all_facts(runs: Sequence[Run]) -> list[dict[Fact, Any]]:
    """Everything that can differ, a mapping for each run.

    Resolved parameters are taken only if every run wrote them: against a spec's few, every default would differ.
    """
    resolved = all(run.resolved is not None for run in runs)
    return [_facts(run, run.resolved if resolved else run.given) for run in runs]


def _facts(run: Run, parameters: Mapping[str, Any] | None) -> dict[Fact, Any]:
    given = {name.replace("-", "_") for name in run.given}
    named = {}
    for name, value in (parameters or {}).items():
        plain = name.replace("-", "_")
        named[Fact(Aspect.PARAMETER, plain)] = value if plain in given else _without_folder(value)
    return {**named, **run.facts}


def _without_folder(value: Any) -> Any:
    """The names of files that a run found by itself: the folder of its inputs is another one in every run."""
    if isinstance(value, list | tuple):
        return [_without_folder(item) for item in value]
    if isinstance(value, str) and value.startswith("/"):
        return PurePosixPath(value).name
    return value


def changes(first: Run, other: Run) -> list[Change]:
    """Every fact that differs, parameters first."""
    before, after = all_facts([first, other])
    given = [_facts(run, run.given) for run in (first, other)]
    found = []
    for fact in differing(before, after):
        old, new = before.get(fact, ABSENT), after.get(fact, ABSENT)
        follows = fact.aspect is Aspect.PARAMETER and same_value(given[0].get(fact), given[1].get(fact))
        found.append(Change(fact, old, new, follows, without_influence(fact, (first, other))))
    return found


def causes(found: Sequence[Change]) -> list[Change]:
    """The changes that may explain a difference: none without influence, nor the seed, nor what follows from others."""
    able = [change for change in found if not change.without_influence and not is_seed(change.fact)]
    return [change for change in able if not change.follows] or able


def without_influence(fact: Fact, runs: Sequence[Run]) -> bool:
    """Whether a fact does not change a result: the machine's, and a parameter of which every run says so."""
    if fact.aspect is Aspect.MACHINE:
        return True
    return fact.aspect is Aspect.PARAMETER and all(fact.name in run.without_influence for run in runs)


def is_seed(fact: Fact) -> bool:
    """Whether a fact is the parameter `seed`."""
    return fact == _SEED_FACT


def differing(before: Mapping[Fact, Any], after: Mapping[Fact, Any]) -> list[Fact]:
    """Names of the facts that are not equal, ordered by aspect and name."""
    names = [
        fact
        for fact in before.keys() | after.keys()
        if not same_value(before.get(fact, ABSENT), after.get(fact, ABSENT))
    ]
    order = list(Aspect)
    return sorted(names, key=lambda fact: (order.index(fact.aspect), fact.name))


def same_value(left: Any, right: Any) -> bool:
    """Whether two values mean the same to a command line: 1 and 1.0 do, and 0.10 and "0.1"; true and 1 do not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return str(left).lower() == str(right).lower()
    if left is ABSENT or right is ABSENT or left is None or right is None:
        return left is right
    numbers = _as_number(left), _as_number(right)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return bool(left == right)


def _as_number(value: Any) -> float | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
