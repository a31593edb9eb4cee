"""What may be said of the difference between two versions, and no more than that."""

from facejobs.jobs.comparison.changes import is_seed
from facejobs.jobs.comparison.evidence import Evidence
from facejobs.jobs.comparison.experiments import Experiment, another_seed, resumed, same_seed, separating
from facejobs.jobs.comparison.formatting import listed, number, signed
from facejobs.jobs.comparison.metric_rows import Cell
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.comparison.verdict import Judgement, Verdict
from facejobs.jobs.comparison.verdict_details import described, details, interval_text
from facejobs.jobs.metric_history import Direction


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
            f"{names} cannot be told apart: {signed(difference)} in {row.name}, where other "
            f"{bootstrap.units} would give {interval_text(bootstrap)}."
        )
        return _verdict(evidence, Judgement.NOT_DISTINGUISHABLE, sentence)
    if len(found) > 1:
        facts = listed([str(change.fact) for change in found])
        sentence = f"{_ranking(evidence)}: {_movement(evidence)}; why is confounded by {facts}."
        return _verdict(evidence, Judgement.CONFOUNDED, sentence)
    only = f"the only thing that changed{' besides the seed' if evidence.seed_differs else ''}"
    sentence = f"{_ranking(evidence)}: {_movement(evidence)}, credited to {described(found[0])}, {only}."
    return _verdict(evidence, Judgement.CREDITED, sentence)


def _verdict(evidence: Evidence, judgement: Judgement, sentence: str) -> Verdict:
    row = evidence.row
    return Verdict(
        judgement=judgement,
        sentence=sentence[0].upper() + sentence[1:],
        metric=row.name if row else None,
        difference=evidence.cell(row).best_difference if row else None,
        causes=tuple(change.fact for change in evidence.causes),
        details=tuple(details(evidence, judgement)),
        experiments=tuple(_experiments(evidence)),
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


def _why(evidence: Evidence) -> str:
    """What keeps the metrics apart, in short; the details have each reason."""
    if any(evidence.cell(row).not_compared for row in evidence.rows):
        return ": they were measured differently"
    empty = [run.version for run in (evidence.first, evidence.other) if not run.history.curves]
    return f": {listed(empty)} wrote none" if empty else ""


def _best(cell: Cell) -> float:
    assert cell.best is not None
    return cell.best.value


def _at_step(run: Run) -> str:
    step = run.history.last_step
    return " without a metric" if step is None else f" at step {step:,}"
