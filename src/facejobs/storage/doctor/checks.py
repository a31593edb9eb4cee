"""Checks, and how they are run one after another."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from facejobs.storage.errors import StorageError


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One check: what was tried, how it ended, and what was found or what is wrong and what to do."""

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class Step:
    """A check to be tried: `run` returns what it found, or raises a StorageError, an OSError or a Doubt."""

    name: str
    run: Callable[[], str]
    # Without these nothing after them can be tried.
    vital: bool = True


class Doubt(Exception):  # noqa: N818 (a finding, no failure)
    """What a check found is worth a warning."""


def run_steps(steps: Sequence[Step], clean_up: Callable[[], object]) -> Iterator[Check]:
    """Run the checks in order; after a vital one that fails, the rest are skipped. Then clean up, whatever happened."""
    broken = ""
    try:
        for step in steps:
            if broken:
                yield Check(step.name, Outcome.SKIPPED, f"needs: {broken}")
                continue
            check = _try(step)
            if check.outcome is Outcome.FAILED and step.vital:
                broken = step.name
            yield check
    finally:
        with suppress(Exception):
            clean_up()


def _try(step: Step) -> Check:
    try:
        return Check(step.name, Outcome.OK, step.run())
    except Doubt as doubt:
        return Check(step.name, Outcome.WARNING, str(doubt))
    except StorageError as error:
        return Check(step.name, Outcome.FAILED, str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Check(step.name, Outcome.FAILED, f"{where}{error.strerror or error}")
