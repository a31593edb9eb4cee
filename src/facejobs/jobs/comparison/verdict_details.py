"""What supports a verdict or limits it, sentence by sentence."""

from collections.abc import Sequence

from facejobs.jobs.comparison.changes import Change
from facejobs.jobs.comparison.evidence import Evidence
from facejobs.jobs.comparison.formatting import listed, number, plain, signed, value_text
from facejobs.jobs.comparison.identification_significance import PeopleChange, PersonChange
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.comparison.significance import PairedBootstrap
from facejobs.jobs.comparison.verdict import Judgement
from facejobs.jobs.metric_history import Direction

_NAMED = 6


def details(evidence: Evidence, judgement: Judgement) -> list[str]:
    """Sentences on what else changed, on seeds, on pairs, on what is not compared and on unequal lengths."""
    first, other, found = evidence.first, evidence.other, evidence.causes
    lines = []
    if len(found) > 1 and judgement is not Judgement.CONFOUNDED:
        lines.append(f"Confounded by {listed([str(change.fact) for change in found])}: several things changed at once.")
    elif len(found) == 1 and judgement is not Judgement.CREDITED:
        lines.append(f"One thing changed: {described(found[0])}.")
    lines += _noise_lines(evidence, judgement)
    lines += [_bootstrap_line(bootstrap, first, other) for bootstrap in evidence.told_bootstraps]
    lines += _people_lines(evidence.people, other)
    lines += _not_compared(evidence)
    steps = first.history.last_step, other.history.last_step
    if None not in steps and steps[0] != steps[1]:
        lines.append(f"{_length(other)}, {_length(first)}: the curves are comparable up to the shorter one's end.")
    return lines


def _not_compared(evidence: Evidence) -> list[str]:
    """One line for each reason; quantities that are set rather than measured, such as lr, are passed over."""
    reasons: dict[str, list[str]] = {}
    for row in evidence.rows:
        reason = evidence.cell(row).not_compared
        if reason and row.direction is not Direction.NEITHER:
            reasons.setdefault(reason, []).append(row.name)
    return [
        f"{listed(names)} {'are' if len(names) > 1 else 'is'} not compared: {reason}."
        for reason, names in reasons.items()
    ]


def _noise_lines(evidence: Evidence, judgement: Judgement) -> list[str]:
    if evidence.row is None:
        return []
    cell = evidence.cell(evidence.row)
    if cell.band is None:
        if judgement in (Judgement.CREDITED, Judgement.CONFOUNDED):
            return ["How far the seed alone moves the result is not known: no versions differ in the seed only."]
        return []
    groups = listed([_few(group.versions) for group in cell.band.groups])
    place = "inside" if cell.in_band else "outside"
    return [
        f"The seed alone moves {evidence.row.name} by {number(cell.band.size)} ({cell.band.runs} runs: {groups}); "
        f"the difference is {place} this band."
    ]


def _few(versions: Sequence[str]) -> str:
    named = " ".join(versions[:_NAMED])
    return named if len(versions) <= _NAMED else f"{named} and {len(versions) - _NAMED} more"


def _bootstrap_line(bootstrap: PairedBootstrap, first: Run, other: Run) -> str:
    told = "is real" if bootstrap.real else "is not distinguishable from chance"
    line = (
        f"Between these two models the difference in {bootstrap.told} on the {bootstrap.count:,} {bootstrap.units} of "
        f"{bootstrap.set_name} {told}: {signed(bootstrap.difference)}, {interval_text(bootstrap)}, p "
        f"{_share(bootstrap.p)} (paired bootstrap, {bootstrap.resamples:,} resamples)."
    )
    if bootstrap.only_other is None:
        return line
    return (
        f"{line} {other.version} alone is right on {bootstrap.only_other:,} {bootstrap.units}, {first.version} alone "
        f"on {bootstrap.only_first:,}."
    )


def _people_lines(people: PeopleChange | None, other: Run) -> list[str]:
    if people is None:
        return []
    at = "" if people.fpir is None else f" at FPIR {people.fpir:g}"
    lines = [
        f"{word} by {other.version}{at}: {_persons(changed)}."
        for word, changed in (("Found more often", people.better), ("Found less often", people.worse))
        if changed
    ]
    found = len(people.better) + len(people.worse)
    alike = f"{people.unchanged:,} of {people.unchanged + found:,} people are found as often{at} by both."
    return [*lines, alike]


def _persons(changed: Sequence[PersonChange]) -> str:
    named = [f"{plain(one.person)} {one.first} → {one.other} of {one.probes}" for one in changed[:_NAMED]]
    if len(changed) > _NAMED:
        named.append(f"{len(changed) - _NAMED:,} more")
    return listed(named)


def described(change: Change) -> str:
    """A change with its values, where they can be told apart in short."""
    before, after = value_text(change.before), value_text(change.after)
    return str(change.fact) if before == after else f"{change.fact} ({before} → {after})"


def interval_text(bootstrap: PairedBootstrap) -> str:
    """The interval of a difference."""
    return f"95 % interval {signed(bootstrap.low)} to {signed(bootstrap.high)}"


def _share(p: float) -> str:
    return f"{p:.4f}" if p >= 1e-3 else f"{p:.1g}"


def _length(run: Run) -> str:
    epochs = run.history.epochs
    text = f"{run.version} made {run.history.last_step or 0:,} steps"
    return text if epochs is None else f"{text} ({epochs} epoch{'' if epochs == 1 else 's'})"
