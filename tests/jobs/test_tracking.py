"""Versions sent to MLflow: against a server that keeps what it is sent, and answers as MLflow 3.17 was seen to."""

import base64
import json
import re
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from facejobs.errors import ExitCode
from facejobs.jobs import mlflow_server
from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.mlflow_server import TrackingError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, record
from facejobs.jobs.submission import submit
from facejobs.jobs.tracking import send_version
from facejobs.jobs.version_record import VersionRecord, version_name
from facejobs.jobs.versions import VersionFolder, open_version_store

LIMITS = {"metrics": 1000, "params": 100, "tags": 100}


class FakeMlflow(ThreadingHTTPServer):
    """Holds experiments and runs in memory; refuses what MLflow refuses: large batches, and changed parameters."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.authorizations: list[str | None] = []
        self.failures: list[int] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, endpoint: str, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return getattr(self, endpoint.replace("/", "_").replace("-", "_"))(**content)

    def experiments_get_by_name(self, experiment_name: str):
        if experiment_name not in self.experiments:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}
        found = {"experiment_id": self.experiments[experiment_name], "lifecycle_stage": "active"}
        return 200, {"experiment": found}

    def experiments_create(self, name: str):
        self.experiments[name] = str(len(self.experiments) + 1)
        return 200, {"experiment_id": self.experiments[name]}

    def runs_search(self, experiment_ids: list[str], filter: str, max_results: int):
        tag, value = re.fullmatch(r"tags\.`([\w.]+)` = '(\w+)'", filter).groups()
        found = [
            run for run in self.runs.values()
            if run["info"]["experiment_id"] in experiment_ids and run["tags"].get(tag) == value
        ]  # fmt: skip
        return 200, {"runs": found[:max_results]} if found else {}

    def runs_create(self, experiment_id: str, run_name: str, start_time: int, tags: list[dict[str, str]]):
        run_id = f"run{len(self.runs)}"
        info = {"run_id": run_id, "experiment_id": experiment_id, "run_name": run_name, "start_time": start_time}
        self.runs[run_id] = {"info": info, "params": {}, "tags": {tag["key"]: tag["value"] for tag in tags}}
        return 200, {"run": {"info": info}}

    def runs_log_batch(self, run_id: str, **lists: list[dict[str, Any]]):
        if any(len(items) > LIMITS[kind] for kind, items in lists.items()):
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "too many"}
        run = self.runs[run_id]
        for item in lists.get("params", []):
            if run["params"].setdefault(item["key"], item["value"]) != item["value"]:
                return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "changing param values"}
        run["tags"] |= {item["key"]: item["value"] for item in lists.get("tags", [])}
        self.metrics[run_id] += lists.get("metrics", [])
        return 200, {}

    def runs_get(self, run_id: str):
        last = {metric["key"]: metric for metric in sorted(self.metrics[run_id], key=lambda metric: metric["step"])}
        return 200, {"run": {"info": self.runs[run_id]["info"], "data": {"metrics": list(last.values())}}}

    def runs_update(self, run_id: str, **changes: Any):
        self.runs[run_id]["info"] |= changes
        return 200, {}


class _Handler(BaseHTTPRequestHandler):
    server: FakeMlflow

    def _serve(self, content: dict[str, Any]) -> None:
        self.server.authorizations.append(self.headers.get("Authorization"))
        endpoint = urlsplit(self.path).path.removeprefix("/api/2.0/mlflow/")
        code, body = self.server.answer(endpoint, content)
        if self.server.failures:
            code, body = self.server.failures.pop(0), {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self._serve({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(mlflow_server, "_FIRST_PAUSE", 0.01)
    for name in ("TOKEN", "USERNAME", "PASSWORD", "URI"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    running = FakeMlflow()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def journal(steps: int) -> bytes:
    lines = [{"step": step, "epoch": 0, "name": "loss", "value": 1 / step, "time": 5.0} for step in range(1, steps + 1)]
    lines.append({"step": 9, "epoch": 0, "name": "lfw_accuracy", "value": 0.9, "time": 6.0, "protocol": "p"})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.fixture
def version(tmp_path: Path, monkeypatch) -> VersionFolder:
    monkeypatch.setenv("API_SECRET", "do-not-tell")
    spec = JobSpec(
        name="cele", command="train", outputs={"model": None}, secrets=["API_SECRET"], description="an attempt",
        parameters={"lr": 0.1, "mirror": True, **{f"p{number}": number for number in range(150)}},
    )  # fmt: skip
    environment = EnvironmentFacts(host="h", platform="p", python="3.11", packages={}, cpu="c", cpus=1, memory=None)

    def make(number: int) -> VersionRecord:
        return VersionRecord(
            job="cele", version=version_name(number), spec=spec, parent="V0004", created=datetime.now(UTC), by="ada@h",
            code=CodeFacts(commit="1" * 40, sha256="1" * 64), environment=environment,
        )  # fmt: skip

    folder = open_version_store(str(tmp_path / "it's a store")).claim("cele", make)
    record(folder.store, State.COMPLETED)
    folder.store.write("metrics.jsonl", journal(2500))
    return folder


def test_everything_arrives_once(server: FakeMlflow, version: VersionFolder) -> None:
    tracked = send_version(version, server.uri)
    (run,) = server.runs.values()
    assert tracked == (f"{server.uri}/#/experiments/1/runs/run0", "run0", 2501)
    assert run["info"]["run_name"] == "V0001" and run["info"]["status"] == "FINISHED"
    assert run["info"]["end_time"] >= run["info"]["start_time"] > 1.7e12
    assert len(run["params"]) == 152 and run["params"]["lr"] == "0.1" and run["params"]["mirror"] == "true"
    assert server.metrics["run0"][1] == {"key": "loss", "value": 0.5, "timestamp": 5000, "step": 2}
    assert len(server.metrics["run0"]) == 2501
    tags = run["tags"]
    assert tags["facejobs.protocol.lfw_accuracy"] == "p" and tags["facejobs.parent"] == "V0004"
    assert tags["mlflow.note.content"] == "an attempt" and tags["facejobs.code.code"] == "1" * 12


def test_sent_again_only_what_is_new_is_sent(server: FakeMlflow, version: VersionFolder) -> None:
    version.store.write("metrics.jsonl", journal(100))
    assert send_version(version, server.uri).values == 101
    assert send_version(version, server.uri).values == 0
    version.store.write("metrics.jsonl", journal(130))
    assert send_version(version, server.uri).values == 30
    assert len(server.runs) == 1 and len({json.dumps(item) for item in server.metrics["run0"]}) == 131


def test_no_secret_is_sent(server: FakeMlflow, version: VersionFolder) -> None:
    send_version(version, server.uri)
    assert "do-not-tell" not in json.dumps([server.runs, server.metrics])


def test_a_busy_server_is_asked_again(server: FakeMlflow, version: VersionFolder) -> None:
    server.failures = [503, 429]
    assert send_version(version, server.uri).values == 2501


def test_credentials_are_used_and_never_shown(server: FakeMlflow, version: VersionFolder, monkeypatch) -> None:
    with_password = server.uri.replace("://", "://ada:pass%20word@")
    assert "pass" not in send_version(version, with_password).address
    assert set(server.authorizations) == {"Basic " + base64.b64encode(b"ada:pass word").decode()}
    server.failures = [401]
    with pytest.raises(TrackingError, match="refuses the credentials") as refusal:
        send_version(version, with_password)
    assert "pass%20" not in str(refusal.value) and "pass word" not in str(refusal.value)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    send_version(version, server.uri)
    assert server.authorizations[-1] == "Bearer t0ken"


def test_what_is_wrong_is_named(server: FakeMlflow, version: VersionFolder) -> None:
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_URI") as error:
        send_version(version)
    assert error.value.exit_code == ExitCode.JOB
    with pytest.raises(TrackingError, match="must be an http or https URL, not sqlite"):
        send_version(version, "sqlite:///mlruns.db")
    with pytest.raises(TrackingError, match=r"cannot be reached: .*refused"):
        send_version(version, "http://127.0.0.1:9")
    server.failures = [500]
    with pytest.raises(TrackingError, match=r"refuses \(500 TEMPORARILY_UNAVAILABLE\): later"):
        send_version(version, server.uri)


def test_a_job_submitted_with_tracking_is_sent_when_it_ends(server: FakeMlflow, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    spec = JobSpec(name="cele", command="sh -c 'mkdir $0/model && touch $0/model/x'", outputs={"model": None})
    store, backend = open_version_store(str(tmp_path / "store")), LocalBackend()
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_URI"):
        submit(spec, store, backend, tracking="mlflow")
    assert store.jobs() == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    version = submit(spec, store, backend, tracking="mlflow")
    deadline = time.monotonic() + 60
    while not any(run["info"]["status"] == "FINISHED" for run in server.runs.values()):
        assert time.monotonic() < deadline, "".join(backend.logs(version))
        time.sleep(0.1)
    assert server.experiments == {"cele": "1"}
