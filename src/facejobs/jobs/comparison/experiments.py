"""The run that would tell which of several changes mattered, as the command that starts it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facejobs.jobs.comparison.changes import ABSENT, Change
from facejobs.jobs.comparison.formatting import listed
from facejobs.jobs.comparison.run import SEED, Aspect, Fact, Run

_GIVEN = (Aspect.PARAMETER, Aspect.INPUT)


@dataclass(frozen=True)
class Experiment:
    """A command, and what its outcome would show."""

    command: str
    shows: str


def separating(first: Run, other: Run, causes: Sequence[Change]) -> list[Experiment]:
    """Runs that each differ in one of several causes; none where none of them is a parameter or an input.

    `facejobs modify` runs today's code in today's environment. Where those changed too, the run therefore starts from
    `other` and takes the rest back, so that what remains against `first` is code and environment alone.
    """
    given = [change for change in causes if change.fact.aspect in _GIVEN]
    if len(causes) < 2 or not given:
        return []
    if len(given) == len(causes):
        found = [_one_changed(first, other, change) for change in given]
        return [experiment for experiment in found if experiment is not None]
    back = [_option(other, first, change.fact, change.before) for change in given]
    if None in back:
        return []
    words = [word for option in back if option is not None for word in option]
    names = listed([str(change.fact) for change in given])
    rest = listed([str(change.fact) for change in causes if change not in given])
    shows = f"against {other.version} what {names} did, against {first.version} what {rest} did"
    return [Experiment(_command("modify", other, words), shows)]


def same_seed(first: Run, other: Run, cause: Change) -> Experiment | None:
    """The run that repeats `other` with the seed of `first`."""
    seed = {**(first.resolved or {}), **first.given}.get(SEED)
    option = _option(other, first, Fact(Aspect.PARAMETER, SEED), seed)
    if option is None:
        return None
    shows = f"against {first.version} what {cause.fact} did, without the seed"
    return Experiment(_command("modify", other, option), shows)


def another_seed(run: Run) -> Experiment | None:
    """The run that shows how much the seed alone moves the metrics; None if the run has no parameter `seed`."""
    seed = {**(run.resolved or {}), **run.given}.get(SEED)
    if isinstance(seed, bool) or not isinstance(seed, int):
        return None
    words = ["-p", f"{run.spelling(SEED)}={seed + 1}"]
    return Experiment(_command("modify", run, words), "how much the seed alone moves the metrics")


def resumed(run: Run) -> Experiment:
    """Letting an interrupted version run to its end."""
    return Experiment(_command("resume", run, []), f"how {run.version} ends")


def _one_changed(first: Run, other: Run, change: Change) -> Experiment | None:
    """`first` with one change; `other` without it, where the change is that something is no longer given."""
    forth = _option(first, other, change.fact, change.after)
    if forth is not None:
        return Experiment(_command("modify", first, forth), f"against {first.version} what {change.fact} did")
    back = _option(other, first, change.fact, change.before)
    if back is None:
        return None
    return Experiment(_command("modify", other, back), f"against {other.version} what {change.fact} did")


def _option(changed: Run, source: Run, fact: Fact, value: Any) -> list[str] | None:
    """The words that give `changed` the value which `source` has; None where no command can."""
    if fact.aspect is Aspect.INPUT:
        url = source.inputs.get(fact.name)
        same = url is None or fact.name not in changed.inputs or url == changed.inputs[fact.name]
        # The content under one URL changed: no command brings the earlier one back.
        return None if same else ["-i", f"{fact.name}={url}"]
    if value is ABSENT or value is None:
        return None
    return ["-p", f"{changed.spelling(fact.name)}={_as_typed(value)}"]


def _command(name: str, run: Run, words: Sequence[str]) -> str:
    where = ["--store", run.store] if run.store else []
    return shlex.join(["facejobs", name, run.job, run.version, *words, *where])


def _as_typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(_as_typed(item) for item in value)
    return str(value)
