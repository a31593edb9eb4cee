"""What may be said of the difference between two versions, and no more than that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from facejobs.jobs.comparison.changes import Change, causes, is_seed
from facejobs.jobs.comparison.experiments import Experiment, another_seed, resumed, same_seed, separating
from facejobs.jobs.comparison.formatting import listed, number, signed, value_text
from facejobs.jobs.comparison.metric_rows import Cell, MetricRow
from facejobs.jobs.comparison.run import Fact, Run
from facejobs.jobs.comparison.significance import PairedBootstrap
from facejobs.jobs.metric_history import Direction


class Judgement(StrEnum):
    """How a difference is to be taken; see docs/how-to/compare-versions.md."""

    CREDITED = "credited"
    CONFOUNDED = "confounded"
    NOISE = "noise"
    NOT_DISTINGUISHABLE = "not distinguishable"
    EQUAL = "equal"
    UNCHANGED = "nothing changed"
    UNFINISHED = "unfinished"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Verdict:
    """One sentence, the metric it is about, what supports it, and the runs that would tell more."""

    judgement: Judgement
    sentence: str
    metric: str | None = None
    difference: float | None = None
    causes: tuple[Fact, ...] = ()
    details: tuple[str, ...] = ()
    experiments: tuple[Experiment, ...] = ()

    @property
    def gist(self) -> str:
        """The verdict in a few words, without the versions' names."""
        told = str(self.judgement)
        if self.judgement is Judgement.CREDITED:
            told = f"credited to {self.causes[0]}"
        elif self.judgement is Judgement.CONFOUNDED:
            told = f"confounded by {listed([str(fact) for fact in self.causes])}"
        if self.metric is None or self.difference is None:
            return told
        return f"{signed(self.difference)} in {self.metric}, {told}"


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on `other` against `first` rests on; `position` is that of `other` in the rows' cells."""

    first: Run
    other: Run
    position: int
    changed: Sequence[Change]
    rows: Sequence[MetricRow]
    bootstraps: Sequence[PairedBootstrap]
    row: MetricRow | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", self._decisive_row())

    def _decisive_row(self) -> MetricRow | None:
        usable = [row for row in self.rows if self.cell(row).best_difference is not None]
        # Throughput has a direction and says nothing of the model; a metric with a protocol comes first in rows.
        judged = [row for row in usable if row.name != "images_per_second"]
        return judged[0] if judged else None

    def cell(self, row: MetricRow) -> Cell:
        """The row's cell of `other`."""
        return row.cells[self.position]

    @property
    def bootstrap(self) -> PairedBootstrap | None:
        """The one of the decisive metric's pairs, where that metric is their accuracy."""
        if self.row is None:
            return None
        for bootstrap in self.bootstraps:
            if bootstrap.protocol == self.row.protocol and self.row.name == f"{bootstrap.set_name}_accuracy":
                return bootstrap
        return None

    @property
    def causes(self) -> list[Change]:
        """What may have made the difference; the seed only if its effect is unknown."""
        found = causes(self.changed)
        if found and not self._band_known:
            return found + [change for change in self.changed if is_seed(change.fact)]
        return found

    @property
    def seed_differs(self) -> bool:
        """Whether the two versions have different seeds."""
        return any(is_seed(change.fact) for change in self.changed)

    @property
    def _band_known(self) -> bool:
        return self.row is not None and self.cell(self.row).band is not None


def judge(evidence: Evidence) -> Verdict:
    """The verdict on two versions: the most cautious one that the evidence asks for."""
    names = f"{evidence.other.version} and {evidence.first.version}"
    if evidence.row is None:
        return _verdict(
            evidence, Judgement.NOT_COMPARABLE, f"{names} have no metric that can be compared{_why(evidence)}."
        )
    waiting = [run for run in (evidence.first, evidence.other) if not run.finished]
    if waiting:
        text = listed([f"{run.version} is {run.state}{_at_step(run)}" for run in waiting])
        return _verdict(evidence, Judgement.UNFINISHED, f"Not judged: {text}. So far, {_movement(evidence)}.")
    if not evidence.causes and not evidence.seed_differs:
        sentence = f"{names} differ in nothing that could change the result: {_movement(evidence)}."
        return _verdict(evidence, Judgement.UNCHANGED, sentence)
    return _judge_finished(evidence, names)


def _judge_finished(evidence: Evidence, names: str) -> Verdict:
    row = evidence.row
    assert row is not None
    cell, bootstrap, found = evidence.cell(row), evidence.bootstrap, evidence.causes
    difference = cell.best_difference
    assert difference is not None
    if not found:
        sentence = f"{names} differ in the seed alone, so the difference is noise: {_movement(evidence)}."
        return _verdict(evidence, Judgement.NOISE, sentence)
    if difference == 0 and (bootstrap is None or bootstrap.difference == 0):
        return _verdict(evidence, Judgement.EQUAL, f"{names} are equal in {row.name}: {number(_best(cell))}.")
    if cell.in_band and cell.band is not None:
        sentence = (
            f"The difference between {names} is noise: {signed(difference)} in {row.name} lies inside the band of "
            f"{number(cell.band.size)} that the seed alone makes ({cell.band.runs} runs)."
        )
        return _verdict(evidence, Judgement.NOISE, sentence)
    if bootstrap is not None and not bootstrap.real:
        sentence = (
            f"{names} cannot be told apart: {signed(difference)} in {row.name}, where other pairs would give "
            f"{_interval(bootstrap)}."
        )
        return _verdict(evidence, Judgement.NOT_DISTINGUISHABLE, sentence)
    if len(found) > 1:
        facts = listed([str(change.fact) for change in found])
        sentence = f"{_ranking(evidence)}: {_movement(evidence)}; why is confounded by {facts}."
        return _verdict(evidence, Judgement.CONFOUNDED, sentence)
    only = f"the only thing that changed{' besides the seed' if evidence.seed_differs else ''}"
    sentence = f"{_ranking(evidence)}: {_movement(evidence)}, credited to {_described(found[0])}, {only}."
    return _verdict(evidence, Judgement.CREDITED, sentence)


def _verdict(evidence: Evidence, judgement: Judgement, sentence: str) -> Verdict:
    row = evidence.row
    return Verdict(
        judgement=judgement,
        sentence=sentence[0].upper() + sentence[1:],
        metric=row.name if row else None,
        difference=evidence.cell(row).best_difference if row else None,
        causes=tuple(change.fact for change in evidence.causes),
        details=tuple(_details(evidence, judgement)),
        experiments=tuple(_experiments(evidence)),
    )


def _details(evidence: Evidence, judgement: Judgement) -> list[str]:
    first, other, found = evidence.first, evidence.other, evidence.causes
    lines = []
    if len(found) > 1 and judgement is not Judgement.CONFOUNDED:
        lines.append(f"Confounded by {listed([str(change.fact) for change in found])}: several things changed at once.")
    elif len(found) == 1 and judgement is not Judgement.CREDITED:
        lines.append(f"One thing changed: {_described(found[0])}.")
    lines += _noise_lines(evidence, judgement)
    lines += [_bootstrap_line(bootstrap, first, other) for bootstrap in evidence.bootstraps]
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
    groups = listed([" ".join(group.versions) for group in cell.band.groups])
    place = "inside" if cell.in_band else "outside"
    return [
        f"The seed alone moves {evidence.row.name} by {number(cell.band.size)} ({cell.band.runs} runs: {groups}); "
        f"the difference is {place} this band."
    ]


def _bootstrap_line(bootstrap: PairedBootstrap, first: Run, other: Run) -> str:
    told = "is real" if bootstrap.real else "is not distinguishable from chance"
    return (
        f"Between these two models the difference in accuracy on the {bootstrap.pairs:,} pairs of {bootstrap.set_name} "
        f"{told}: {signed(bootstrap.difference)}, {_interval(bootstrap)}, p {_share(bootstrap.p)} (paired bootstrap, "
        f"{bootstrap.resamples:,} resamples). {other.version} alone is right on {bootstrap.only_other:,} pairs, "
        f"{first.version} alone on {bootstrap.only_first:,}."
    )


def _experiments(evidence: Evidence) -> list[Experiment]:
    found = evidence.causes
    waiting = [run for run in (evidence.first, evidence.other) if not run.finished]
    if waiting:
        return [resumed(run) for run in waiting if run.state.ended]
    without_seed = [change for change in found if not is_seed(change.fact)]
    if len(found) == 2 and len(without_seed) == 1:
        repeated = same_seed(evidence.first, evidence.other, without_seed[0])
        return [repeated] if repeated else []
    if len(found) > 1:
        return separating(evidence.first, evidence.other, found)
    if evidence.row is not None and evidence.cell(evidence.row).band is None and found:
        seeded = another_seed(evidence.first)
        return [seeded] if seeded else []
    return []


def _movement(evidence: Evidence) -> str:
    row = evidence.row
    assert row is not None
    cell = evidence.cell(row)
    difference = cell.best_difference or 0.0
    verb = "stays at" if difference == 0 else "rises" if difference > 0 else "falls"
    value = number(_best(cell))
    if difference == 0:
        return f"{row.name} {verb} {value}"
    return f"{row.name} {verb} from {number(_best(row.cells[0]))} to {value} ({signed(difference)})"


def _ranking(evidence: Evidence) -> str:
    row = evidence.row
    assert row is not None
    gain = (evidence.cell(row).best_difference or 0.0) * (1 if row.direction is Direction.HIGHER else -1)
    return f"{evidence.other.version} is {'better' if gain > 0 else 'worse'} than {evidence.first.version}"


def _described(change: Change) -> str:
    before, after = value_text(change.before), value_text(change.after)
    return str(change.fact) if before == after else f"{change.fact} ({before} → {after})"


def _why(evidence: Evidence) -> str:
    """What keeps the metrics apart, in short; the details have each reason."""
    if any(evidence.cell(row).not_compared for row in evidence.rows):
        return ": they were measured differently"
    empty = [run.version for run in (evidence.first, evidence.other) if not run.history.curves]
    return f": {listed(empty)} wrote none" if empty else ""


def _best(cell: Cell) -> float:
    assert cell.best is not None
    return cell.best.value


def _interval(bootstrap: PairedBootstrap) -> str:
    return f"95 % interval {signed(bootstrap.low)} to {signed(bootstrap.high)}"


def _share(p: float) -> str:
    return f"{p:.4f}" if p >= 1e-3 else f"{p:.1g}"


def _at_step(run: Run) -> str:
    step = run.history.last_step
    return " without a metric" if step is None else f" at step {step:,}"


def _length(run: Run) -> str:
    epochs = run.history.epochs
    text = f"{run.version} made {run.history.last_step or 0:,} steps"
    return text if epochs is None else f"{text} ({epochs} epoch{'' if epochs == 1 else 's'})"
