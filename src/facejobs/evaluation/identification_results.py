"""Identification results as JSON, and as a folder to keep, which a version can be made of.

docs/reference/file-formats.md has the format of searches.json.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facejobs.evaluation.fixed_threshold import RatesAtThreshold
from facejobs.evaluation.identification import FnirAtFpir, IdentificationResult
from facejobs.evaluation.identification_pictures import draw_cmc, draw_det
from facejobs.evaluation.metric_lines import write_metrics
from facejobs.evaluation.person_outcomes import PersonOutcome, person_outcomes
from facejobs.evaluation.results import RESULTS_NAME
from facejobs.evaluation.searches import NOBODY, Floats, Ints

SEARCHES_NAME = "searches.json"
PEOPLE_NAME = "people.csv"
PARAMETERS_NAME = "params.json"
CMC_NAME = "cmc.png"
DET_NAME = "det.png"
_FORMAT_VERSION = 1
# Similarities are float32: further digits would hold nothing.
_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """A gallery and the probes it was searched for.

    `people` names the columns, `probes` the rows; `models` is what identifies the models, JSON-ready, and `parameters`
    how they were used.
    """

    people: Sequence[str]
    probes: Sequence[str]
    models: dict[str, Any]
    parameters: dict[str, Any]


def to_json(measured: MeasuredPair, result: IdentificationResult) -> dict[str, Any]:
    """Return everything measured, ready for json.dumps."""
    searches = result.searches
    mated = searches.mated
    headline = result.headline
    return {
        "format_version": _FORMAT_VERSION,
        "models": measured.models,
        "parameters": measured.parameters,
        "identification": {
            "protocol": result.protocol,
            "people": searches.people,
            "mated": _counts(result, mated),
            "strangers": _counts(result, ~mated),
            "metrics": result.metrics(),
            "not_measured": [asdict(missing) for missing in result.not_measured],
            "cmc": result.cmc.tolist(),
            "open_set": [_point(point) for point in result.open_set],
            "at_calibrated_threshold": None if result.at_threshold is None else _fixed(result.at_threshold),
            "headline": None if headline is None else headline.name,
            "per_person": [_person(outcome, measured.people) for outcome in outcomes_of(result)],
        },
    }


def outcomes_of(result: IdentificationResult) -> list[PersonOutcome]:
    """How each person's searches ended at the threshold of the headline."""
    return person_outcomes(result.searches, result.threshold)


def save_results(folder: Path, measured: MeasuredPair, result: IdentificationResult) -> list[str]:
    """Write results.json, searches.json, people.csv, metrics.jsonl, params.json and the pictures into an empty folder.

    Returns the names of the pictures: no CMC without probes of enrolled people, no DET without strangers too.
    """
    drawn = [name for name, draw in ((CMC_NAME, draw_cmc), (DET_NAME, draw_det)) if draw(result, folder / name)]
    (folder / SEARCHES_NAME).write_text(_dumped(_searches(measured, result), None), encoding="utf-8")
    (folder / PEOPLE_NAME).write_text(_people_csv(measured, result), encoding="utf-8", newline="")
    write_metrics(folder, result.metrics())
    parameters = {"format": 1, "task": "identification", "parameters": measured.parameters}
    (folder / PARAMETERS_NAME).write_text(_dumped(parameters, 1), encoding="utf-8")
    (folder / RESULTS_NAME).write_text(_dumped(to_json(measured, result), 2), encoding="utf-8")
    return drawn


def _counts(result: IdentificationResult, which: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, int]:
    return {
        "probes": int(which.sum()),
        "people": len(np.unique(result.subjects[which])),
        "without_face": int((which & ~result.searches.searched).sum()),
    }


def _point(point: FnirAtFpir) -> dict[str, Any]:
    return {**asdict(point), "interval": list(point.interval), "reached_interval": list(point.reached_interval)}


def _fixed(rates: RatesAtThreshold) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(rates).items()}


def _person(outcome: PersonOutcome, people: Sequence[str]) -> dict[str, Any]:
    confused = None if outcome.confused_with == NOBODY else people[outcome.confused_with]
    return {**asdict(outcome), "person": people[outcome.person], "confused_with": confused}


def _people_csv(measured: MeasuredPair, result: IdentificationResult) -> str:
    text = io.StringIO()
    rows = [_person(outcome, measured.people) for outcome in outcomes_of(result)]
    writer = csv.DictWriter(text, list(PersonOutcome.__dataclass_fields__))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _searches(measured: MeasuredPair, result: IdentificationResult) -> dict[str, Any]:
    searches = result.searches
    return {
        "format": 1,
        "protocol": result.protocol,
        "people": searches.people,
        "probe": list(measured.probes),
        "subject": result.subjects.tolist(),
        "person": _names(searches.mates, measured.people),
        "searched": searches.searched.tolist(),
        "rank": searches.ranks.tolist(),
        "mate_similarity": _numbers(searches.mate_similarity),
        "rival": _names(searches.rivals, measured.people),
        "rival_similarity": _numbers(searches.rival_similarity),
        "open_set": [
            {"metric": point.name, "fpir": point.fpir, "value": point.fnir, "threshold": point.threshold}
            for point in result.headline_first
        ],
    }


def _names(people: Ints, names: Sequence[str]) -> list[str | None]:
    known = {person: names[person] for person in np.unique(people).tolist() if person != NOBODY}
    return [known.get(person) for person in people.tolist()]


def _numbers(values: Floats) -> list[float | None]:
    return [round(value, _DECIMALS) if np.isfinite(value) else None for value in values.tolist()]


def _dumped(document: dict[str, Any], indent: int | None) -> str:
    return json.dumps(document, indent=indent, allow_nan=False) + "\n"
