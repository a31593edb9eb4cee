"""The run that would tell which of several changes mattered, as the command that starts it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facejobs.jobs.comparison.changes import ABSENT, Change
from facejobs.jobs.comparison.formatting import listed
from facejobs.jobs.comparison.run import SEED, Aspect, Run


@dataclass(frozen=True)
class Experiment:
    """A command, and what its outcome would show."""

    command: str
    shows: str


def separating(first: Run, other: Run, causes: Sequence[Change]) -> list[Experiment]:
    """Runs that each differ in one of several causes; none where no parameter is among them.

    `facejobs modify` runs today's code in today's environment. Where those changed too, the runs therefore start from
    `other` and take its parameters back, so that what remains against `first` is not the parameters.
    """
    parameters = [change for change in causes if change.fact.aspect is Aspect.PARAMETER]
    if len(causes) < 2 or not parameters:
        return []
    if len(parameters) == len(causes):
        return [_one_changed(first, other, change) for change in parameters]
    values = [(change, change.before) for change in parameters]
    if any(not _can_be_given(value) for _, value in values):
        return []
    rest = listed([str(change.fact) for change in causes if change not in parameters])
    names = listed([change.fact.name for change in parameters])
    shows = f"against {other.version} what {names} did, against {first.version} what {rest} did"
    return [Experiment(_modify(other, [(change.fact.name, value) for change, value in values]), shows)]


def same_seed(first: Run, other: Run, cause: Change) -> Experiment | None:
    """The run that repeats `other` with the seed of `first`."""
    seed = {**(first.resolved or {}), **first.given}.get(SEED)
    if not _can_be_given(seed) or seed is None:
        return None
    return Experiment(
        _modify(other, [(SEED, seed)]), f"against {first.version} what {cause.fact} did, without the seed"
    )


def another_seed(run: Run) -> Experiment | None:
    """The run that shows how much the seed alone moves the metrics; None if the run has no parameter `seed`."""
    seed = {**(run.resolved or {}), **run.given}.get(SEED)
    if isinstance(seed, bool) or not isinstance(seed, int):
        return None
    return Experiment(_modify(run, [(SEED, seed + 1)]), "how much the seed alone moves the metrics")


def resumed(run: Run) -> Experiment:
    """Letting an interrupted version run to its end."""
    return Experiment(shlex.join(["facejobs", "resume", run.job, run.version]), f"how {run.version} ends")


def _one_changed(first: Run, other: Run, change: Change) -> Experiment:
    name = change.fact.name
    if _can_be_given(change.after):
        return Experiment(_modify(first, [(name, change.after)]), f"against {first.version} what {name} did")
    return Experiment(_modify(other, [(name, change.before)]), f"against {other.version} what {name} did")


def _can_be_given(value: Any) -> bool:
    return value is not ABSENT and value is not None


def _modify(run: Run, values: Sequence[tuple[str, Any]]) -> str:
    words = ["facejobs", "modify", run.job, run.version]
    for name, value in values:
        words += ["-p", f"{run.spelling(name)}={_as_typed(value)}"]
    return shlex.join(words)


def _as_typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(_as_typed(item) for item in value)
    return str(value)
