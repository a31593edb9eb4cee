"""Compares versions: each of them with the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from facejobs.jobs.comparison.changes import ABSENT, Change, all_facts, changes, differing, without_influence
from facejobs.jobs.comparison.evidence import Evidence
from facejobs.jobs.comparison.formatting import listed
from facejobs.jobs.comparison.identification_significance import PeopleChange
from facejobs.jobs.comparison.judging import judge
from facejobs.jobs.comparison.metric_rows import MetricRow, metric_rows
from facejobs.jobs.comparison.paired_results import paired_bootstraps, people_change
from facejobs.jobs.comparison.run import Fact, Run
from facejobs.jobs.comparison.significance import PairedBootstrap
from facejobs.jobs.comparison.verdict import Verdict

FindGroup = Callable[[Run], Sequence[Run]]


@dataclass(frozen=True)
class Pair:
    """One version against the first."""

    first: str
    other: str
    changed: tuple[Change, ...]
    bootstraps: tuple[PairedBootstrap, ...]
    verdict: Verdict
    people: PeopleChange | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything that tables and reports show. `facts` are those that differ in any version, with all values."""

    runs: tuple[Run, ...]
    facts: dict[Fact, tuple[Any, ...]]
    rows: tuple[MetricRow, ...]
    pairs: tuple[Pair, ...]

    @property
    def influential(self) -> dict[Fact, tuple[Any, ...]]:
        """The facts that may change a result."""
        return {fact: values for fact, values in self.facts.items() if not without_influence(fact, self.runs)}

    @property
    def uninfluential(self) -> dict[Fact, tuple[Any, ...]]:
        """The facts that do not."""
        return {fact: values for fact, values in self.facts.items() if without_influence(fact, self.runs)}

    @property
    def headline(self) -> str:
        """The verdict in one sentence: the pair's own, or of several pairs the gist of each."""
        if len(self.pairs) == 1:
            return self.pairs[0].verdict.sentence
        gists = "; ".join(f"{pair.other} {pair.verdict.gist}" for pair in self.pairs)
        return f"Against {self.runs[0].version}: {gists}."

    @property
    def notes(self) -> list[str]:
        """What could not be read or is not complete, version by version."""
        notes = []
        for run in self.runs:
            if not run.finished:
                notes.append(f"{run.version} is {run.state}: it is compared with what it has so far.")
            if count := run.history.unreadable_lines:
                notes.append(f"{run.version}: {count} line{'s' if count > 1 else ''} of metrics.jsonl cannot be read.")
        given_only = [run.version for run in self.runs if run.resolved is None]
        if given_only and len(given_only) < len(self.runs):
            notes.append(
                f"{listed(given_only)} wrote no params.json that can be read: only the parameters given in the specs "
                "are compared, so a change of a default would not be seen."
            )
        texts = dict.fromkeys(note for run in self.runs for note in run.notes)
        for text in texts:
            notes.append(f"{listed([run.version for run in self.runs if text in run.notes])}: {text}.")
        return notes


def compare(runs: Sequence[Run], seed_group: FindGroup = lambda run: [run]) -> Comparison:
    """Compare every run with the first of at least two.

    `seed_group` gives the finished versions that share everything but the seed with a run, the run included.
    """
    first = runs[0]
    changed = [changes(first, run) for run in runs]
    rows = metric_rows(runs, changed, [seed_group(run) for run in runs])
    pairs = [_pair(first, run, position, changed[position], rows) for position, run in enumerate(runs) if position]
    return Comparison(tuple(runs), _facts(runs), tuple(rows), tuple(pairs))


def _pair(first: Run, other: Run, position: int, changed: Sequence[Change], rows: Sequence[MetricRow]) -> Pair:
    bootstraps = paired_bootstraps(first, other)
    people = people_change(first, other)
    verdict = judge(Evidence(first, other, position, changed, rows, bootstraps, people))
    return Pair(first.version, other.version, tuple(changed), tuple(bootstraps), verdict, people)


def _facts(runs: Sequence[Run]) -> dict[Fact, tuple[Any, ...]]:
    values = all_facts(runs)
    names = dict.fromkeys(fact for other in values[1:] for fact in differing(values[0], other))
    return {fact: tuple(each.get(fact, ABSENT) for each in values) for fact in names}
