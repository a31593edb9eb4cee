"""Sends a version to an MLflow server: one experiment a job, one run a version. docs/how-to/track-with-mlflow.md."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from facejobs.jobs.comparison.formatting import plain
from facejobs.jobs.comparison.reading import read_run
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.metric_history import MetricHistory
from facejobs.jobs.mlflow_server import MlflowServer
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.versions import VersionFolder

_STATUS = {
    State.PENDING: "SCHEDULED",
    State.RUNNING: "RUNNING",
    State.COMPLETED: "FINISHED",
    State.FAILED: "FAILED",
    State.LOST: "FAILED",
    State.STOPPED: "KILLED",
}
# What one request may hold, by MLflow's reference of runs/log-batch.
_METRICS, _PARAMETERS, _TAGS = 1000, 100, 100
_LONGEST_PARAMETER, _LONGEST_TAG = 500, 5000
_IDENTITY_TAG = "facejobs.version_sha256"
_NOT_ALLOWED = re.compile(r"[^\w\-. /]")
_Item = TypeVar("_Item")


class Tracked(NamedTuple):
    """Where a version went, and how many values of metrics were new there."""

    address: str
    run_id: str
    values: int


def send_version(folder: VersionFolder, uri: str | None = None) -> Tracked:
    """Send parameters, metrics, tags and state of a version to the server `uri`, else to MLFLOW_TRACKING_URI.

    May be called while the version runs and again later: the run of the same version is found again, and only values
    of later steps than the server has are sent. Secrets are in no version, so none is sent. Raises TrackingError.
    """
    server = MlflowServer(uri)
    run, status = read_run(folder), read_status(folder.store)
    # The record never changes, wherever the store is copied or from where it is reached.
    identity = hashlib.sha256(folder.record.model_dump_json().encode()).hexdigest()
    experiment = server.experiment(run.job)
    run_id = _find_run(server, experiment, identity) or _create_run(server, experiment, run, identity, status)
    for parameters in _parts(_parameters(run), _PARAMETERS):
        server.post("runs/log-batch", run_id=run_id, params=parameters)
    for tags in _parts(_tags(run, folder.url), _TAGS):
        server.post("runs/log-batch", run_id=run_id, tags=tags)
    known = _last_steps(server, run_id)
    sent = 0
    for metrics in _parts(_new_metrics(run.history, known, _milliseconds(status)), _METRICS):
        server.post("runs/log-batch", run_id=run_id, metrics=metrics)
        sent += len(metrics)
    ended = {} if status.ended is None else {"end_time": int(status.ended.timestamp() * 1000)}
    server.post("runs/update", run_id=run_id, status=_STATUS[run.state], **ended)
    return Tracked(f"{server.address}/#/experiments/{experiment}/runs/{run_id}", run_id, sent)


def _find_run(server: MlflowServer, experiment: str, identity: str) -> str | None:
    condition = f"tags.`{_IDENTITY_TAG}` = '{identity}'"
    found = server.post("runs/search", experiment_ids=[experiment], filter=condition, max_results=1).get("runs", [])
    return str(found[0]["info"]["run_id"]) if found else None


def _create_run(server: MlflowServer, experiment: str, run: Run, identity: str, status: Status) -> str:
    created = server.post(
        "runs/create",
        experiment_id=experiment,
        run_name=run.version,
        start_time=_milliseconds(status),
        tags=[{"key": _IDENTITY_TAG, "value": identity}],
    )
    return str(created["run"]["info"]["run_id"])


def _milliseconds(status: Status) -> int:
    """When the run began, or was submitted."""
    times = [item.time for item in status.transitions]
    began = status.started or (times[0] if times else None)
    return 0 if began is None else int(began.timestamp() * 1000)


def _parameters(run: Run) -> Iterator[dict[str, str]]:
    for name, value in (run.given if run.resolved is None else run.resolved).items():
        yield {"key": _allowed(name), "value": _cut(value, _LONGEST_PARAMETER)}


def _tags(run: Run, url: str) -> Iterator[dict[str, str]]:
    yield {"key": "facejobs.url", "value": url}
    yield {"key": "facejobs.state", "value": str(run.state)}
    if run.parent:
        yield {"key": "facejobs.parent", "value": run.parent}
    if run.description:
        yield {"key": "mlflow.note.content", "value": _cut(run.description, _LONGEST_TAG)}
    for fact, value in run.facts.items():
        yield {"key": f"facejobs.{fact.aspect}.{_allowed(fact.name)}", "value": _cut(value, _LONGEST_TAG)}
    for curve in run.history.curves.values():
        if curve.protocol is not None:
            yield {"key": f"facejobs.protocol.{_allowed(curve.name)}", "value": _cut(curve.protocol, _LONGEST_TAG)}


def _last_steps(server: MlflowServer, run_id: str) -> dict[str, int]:
    metrics = server.get("runs/get", run_id=run_id)["run"].get("data", {}).get("metrics", [])
    return {metric["key"]: int(metric.get("step", 0)) for metric in metrics}


def _new_metrics(history: MetricHistory, known: Mapping[str, int], began: int) -> Iterator[dict[str, Any]]:
    for curve in history.curves.values():
        key = _allowed(curve.name)
        for point in curve.points:
            if point.step > known.get(key, -1):
                timestamp = began if point.time is None else int(point.time * 1000)
                yield {"key": key, "value": point.value, "timestamp": timestamp, "step": point.step}


def _allowed(name: str) -> str:
    return _NOT_ALLOWED.sub("_", name)


def _cut(value: object, longest: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = ",".join(map(str, value))
    return plain(str(value))[:longest]


def _parts(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    while part := list(islice(items, size)):
        yield part
