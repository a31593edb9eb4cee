"""A comparison as JSON: docs/reference/comparison-json.md."""

from dataclasses import asdict
from typing import Any

from facejobs.jobs.comparison.changes import ABSENT, Change, without_influence
from facejobs.jobs.comparison.comparison import Comparison, Pair
from facejobs.jobs.comparison.metric_rows import Cell, MetricRow
from facejobs.jobs.comparison.noise import SeedBand
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.comparison.significance import PairedBootstrap
from facejobs.jobs.metric_history import Point

_FORMAT = 2


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Everything but the curves' points, which are in each version's metrics.jsonl."""
    versions = [run.version for run in comparison.runs]
    return {
        "format": _FORMAT,
        "job": comparison.runs[0].job,
        "versions": [_version(run) for run in comparison.runs],
        "differences": [
            {
                "aspect": str(fact.aspect),
                "name": fact.name,
                "without_influence": without_influence(fact, comparison.runs),
                "values": {name: value for name, value in zip(versions, values, strict=True) if value is not ABSENT},
            }
            for fact, values in comparison.facts.items()
        ],
        "metrics": [_row(row, versions) for row in comparison.rows],
        "comparisons": [_pair(pair) for pair in comparison.pairs],
        "notes": comparison.notes,
    }


def _version(run: Run) -> dict[str, Any]:
    return {
        "version": run.version,
        "state": str(run.state),
        "parent": run.parent,
        "description": run.description,
        "created": None if run.created is None else run.created.isoformat(),
        "steps": run.history.last_step,
        "epochs": run.history.epochs,
        "parameters": "given" if run.resolved is None else "resolved",
    }


def _row(row: MetricRow, versions: list[str]) -> dict[str, Any]:
    return {
        "name": row.name,
        "protocol": row.protocol,
        "better": row.direction.name.lower(),
        "versions": {name: _cell(cell) for name, cell in zip(versions, row.cells, strict=True)},
    }


def _cell(cell: Cell) -> dict[str, Any] | None:
    if cell.final is None:
        return None
    return {
        "final": _point(cell.final),
        "best": _point(cell.best),
        "final_difference": cell.final_difference,
        "best_difference": cell.best_difference,
        "not_compared": cell.not_compared or None,
        "seed_band": _band(cell.band),
    }


def _point(point: Point | None) -> dict[str, Any] | None:
    return None if point is None else {"value": point.value, "step": point.step}


def _band(band: SeedBand | None) -> dict[str, Any] | None:
    if band is None:
        return None
    groups = [dict(zip(group.versions, group.values, strict=True)) for group in band.groups]
    return {"size": band.size, "runs": band.runs, "groups": groups}


def _pair(pair: Pair) -> dict[str, Any]:
    verdict = pair.verdict
    return {
        "first": pair.first,
        "other": pair.other,
        "verdict": str(verdict.judgement),
        "sentence": verdict.sentence,
        "metric": verdict.metric,
        "difference": verdict.difference,
        "details": list(verdict.details),
        "changed": [_change(change) for change in pair.changed],
        "causes": [str(fact) for fact in verdict.causes],
        "experiments": [{"command": item.command, "shows": item.shows} for item in verdict.experiments],
        "bootstraps": [_bootstrap(bootstrap) for bootstrap in pair.bootstraps],
        "people": None if pair.people is None else asdict(pair.people),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "aspect": str(change.fact.aspect),
        "name": change.fact.name,
        "before": None if change.before is ABSENT else change.before,
        "after": None if change.after is ABSENT else change.after,
        "follows": change.follows,
        "without_influence": change.without_influence,
    }


def _bootstrap(bootstrap: PairedBootstrap) -> dict[str, Any]:
    return {
        "set": bootstrap.set_name,
        "metric": bootstrap.metric,
        "protocol": bootstrap.protocol,
        "units": bootstrap.units,
        "count": bootstrap.count,
        "values": {"first": bootstrap.first, "other": bootstrap.other},
        "difference": bootstrap.difference,
        "interval": [bootstrap.low, bootstrap.high],
        "p": bootstrap.p,
        "real": bootstrap.real,
        "right_alone": None
        if bootstrap.only_first is None
        else {"first": bootstrap.only_first, "other": bootstrap.only_other},
        "resamples": bootstrap.resamples,
    }
