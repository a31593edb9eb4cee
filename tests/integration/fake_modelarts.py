"""A ModelArts server over HTTP: checks signatures and required fields, keeps jobs, and is told how each one ends.

It follows the public API references: V1 (`/v1/{project}/training-jobs…`, errors as `is_success: false`) and V2
(`/v2/{project}/training-jobs…`, errors as `error_code` and `error_msg`).
"""

import contextlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest

AK, SK, PROJECT = "AKTESTTESTTEST", "sk-of-the-test", "0123456789abcdef0123456789abcdef"


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeModelArts:
    """The server's memory. `statuses` may be changed by a test: V1 integers, V2 phases, by the job's number."""

    requests: list[Request] = field(default_factory=list)
    v1: dict[str, dict[str, Any]] = field(default_factory=dict)
    v2: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    # (HTTP status, body) for the next request whose path matches the pattern.
    refusals: list[tuple[str, int, Any]] = field(default_factory=list)
    after_stop: Any = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        fake = self

        class Handler(_Handler):
            modelarts = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuse(self, path: str, status: int, body: Any) -> None:
        """Answer the next request whose path matches `path` so."""
        self.refusals.append((path, status, body))

    @property
    def started(self) -> list[Request]:
        """The requests that started jobs."""
        ends = re.compile(r"/v[12]/[^/]+/training-jobs(?:/\d+/versions)?")
        return [item for item in self.requests if item.method == "POST" and ends.fullmatch(item.path)]


class _Handler(BaseHTTPRequestHandler):
    modelarts: FakeModelArts
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        body = json.loads(raw) if raw else None
        request = Request(self.command, address.path, query, dict(self.headers), body)
        self.modelarts.requests.append(request)
        time.sleep(self.modelarts.delay)
        status, answer = self._answer(request, raw)
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(data)

    def _answer(self, request: Request, raw: bytes) -> tuple[int, Any]:
        if not self._signed(request, raw):
            message = "Incorrect IAM authentication information: verify aksk signature fail"
            return 401, {"error_msg": message, "error_code": "APIGW.0301", "request_id": "r-1"}
        for item in self.modelarts.refusals:
            if re.search(item[0], f"{request.method} {request.path}"):
                self.modelarts.refusals.remove(item)
                return item[1], item[2]
        for version, routes in (("v1", _V1), ("v2", _V2)):
            for method, pattern, serve in routes:
                match = re.fullmatch(f"/{version}/{PROJECT}{pattern}", request.path)
                if match and method == request.method:
                    return serve(self.modelarts, request, *match.groups())
        return 404, {"error_msg": "The API does not exist or has not been published", "error_code": "APIGW.0101"}

    def _signed(self, request: Request, raw: bytes) -> bool:
        """Sign the request anew, as it arrived, and compare: a changed byte of it would show."""
        said = self.headers.get("Authorization", "")
        named = re.search(r"SignedHeaders=([^,]+)", said)
        if not named or f"Access={AK}" not in said:
            return False
        again = SdkRequest(
            method=request.method,
            schema="http",
            host=self.headers["Host"],
            resource_path=request.path,
            query_params=list(request.query.items()),
            header_params={name: self.headers.get(name, "") for name in named[1].split(";")},
            body=raw.decode() if raw else None,
        )
        signed = BasicCredentials(AK, SK).sign_request(again)
        return signed.header_params["Authorization"] == said


_REQUIRED_CONFIG = ("worker_server_num", "user_image_url", "user_command", "train_url")


def _v1_error(code: str, message: str, status: int = 200) -> tuple[int, Any]:
    return status, {"is_success": False, "error_message": message, "error_code": code}


def _v1_create(fake: FakeModelArts, request: Request) -> tuple[int, Any]:
    body = request.body
    if any(item["job_name"] == body["job_name"] for item in fake.v1.values()):
        return _v1_error("ModelArts.0103", f"Job name:{body['job_name']} is existed")
    return _v1_add(fake, body, str(len(fake.v1) + 10), body["job_name"], None)


def _v1_version(fake: FakeModelArts, request: Request, job: str) -> tuple[int, Any]:
    before = request.body["config"].get("pre_version_id")
    known = fake.v1.get(f"{job}/{before}")
    if known is None:
        return _v1_error("ModelArts.0105", f"version {before} of job {job} is not there")
    return _v1_add(fake, request.body, job, known["job_name"], before)


def _v1_add(fake: FakeModelArts, body: Any, job: str, name: str, before: int | None) -> tuple[int, Any]:
    missing = [field for field in _REQUIRED_CONFIG if body["config"].get(field) in (None, "")]
    if missing or not ("spec_id" in body["config"] or "pool_id" in body["config"]):
        return _v1_error("ModelArts.0104", f"config.{(missing or ['spec_id'])[0]} is required")
    number = sum(key.startswith(f"{job}/") for key in fake.v1) + 1
    id = len(fake.v1) + 100
    fake.v1[f"{job}/{id}"] = {
        "job_id": int(job),
        "job_name": name,
        "job_desc": body.get("job_desc"),
        "version_id": id,
        "version_name": f"V{number:04d}",
        "pre_version_id": before,
        "status": 1,
        "create_time": int(time.time() * 1000),
        **body["config"],
    }
    # The reference's example writes these numbers as text.
    answer = {"job_id": job, "version_id": str(id), "job_name": name, "status": "1", "version_name": f"V{number:04d}"}
    return 200, {"is_success": True, **answer}


def _v1_show(fake: FakeModelArts, request: Request, job: str, version: str) -> tuple[int, Any]:
    found = fake.v1.get(f"{job}/{version}")
    if found is None:
        return _v1_error("ModelArts.0105", "the job does not exist", 404)
    return 200, {"is_success": True, **found}


def _v1_stop(fake: FakeModelArts, request: Request, job: str, version: str) -> tuple[int, Any]:
    fake.v1[f"{job}/{version}"]["status"] = 12
    if fake.after_stop:
        fake.after_stop()
    return 200, {"is_success": True}


def _v1_list(fake: FakeModelArts, request: Request) -> tuple[int, Any]:
    newest = {item["job_id"]: item for item in fake.v1.values()}
    page, size = int(request.query.get("page", 1)), int(request.query.get("per_page", 10))
    names = ("job_id", "job_name", "job_desc", "version_id", "status", "create_time")
    rows = [{name: item[name] for name in names} for item in newest.values()]
    return 200, {"is_success": True, "job_total_count": len(rows), "jobs": rows[(page - 1) * size : page * size]}


def _v1_files(fake: FakeModelArts, request: Request, job: str, version: str) -> tuple[int, Any]:
    return 200, {"is_success": True, "log_file_list": ["job.0"]}


def _v1_log(fake: FakeModelArts, request: Request, job: str, version: str) -> tuple[int, Any]:
    """Without `base_line` the newest lines; with it, the ones before (`asc`)."""
    lines = fake.logs.get(f"{job}/{version}", [])
    end = int(request.query["base_line"]) if "base_line" in request.query else len(lines)
    start = max(0, end - int(request.query.get("lines", 50)))
    content = "\n".join(lines[start:end])
    return 200, {
        "is_success": True,
        "content": content,
        "lines": str(end - start),
        "start_line": str(start),
        "end_line": str(end),
    }


def _v2_create(fake: FakeModelArts, request: Request) -> tuple[int, Any]:
    body = request.body
    name = body.get("metadata", {}).get("name")
    if body.get("kind") != "job" or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name or ""):
        return 400, {"error_msg": "Invalid metadata.name", "error_code": "ModelArts.0104"}
    if any(item["metadata"]["name"] == name for item in fake.v2.values()):
        return 400, {"error_msg": f"job name {name} exists", "error_code": "ModelArts.0103"}
    id = f"425b7087-83de-49ed-9e40-{len(fake.v2):012d}"
    fake.v2[id] = {
        **body,
        "metadata": {**body["metadata"], "id": id, "create_time": int(time.time() * 1000), "user_name": "ann"},
        "status": {"phase": "Creating", "secondary_phase": "Creating", "duration": 0, "tasks": ["worker-0"]},
    }
    return 201, fake.v2[id]


def _v2_show(fake: FakeModelArts, request: Request, id: str) -> tuple[int, Any]:
    found = fake.v2.get(id)
    return (200, found) if found else (404, {"error_msg": "job not found", "error_code": "ModelArts.2763"})


def _v2_act(fake: FakeModelArts, request: Request, id: str) -> tuple[int, Any]:
    if request.body != {"action_type": "terminate"}:
        return 400, {"error_msg": "unknown action", "error_code": "ModelArts.0104"}
    fake.v2[id]["status"] = {"phase": "Terminated", "secondary_phase": "Terminated", "tasks": ["worker-0"]}
    if fake.after_stop:
        fake.after_stop()
    return 202, ""


def _v2_search(fake: FakeModelArts, request: Request) -> tuple[int, Any]:
    size, page = request.body["limit"], request.body["offset"]
    if not 1 <= size <= 50:
        return 400, {"error_msg": "limit must be 1 to 50", "error_code": "ModelArts.0104"}
    items = list(fake.v2.values())[::-1]
    return 200, {"total": len(items), "count": len(items), "items": items[page * size : (page + 1) * size]}


def _v2_log(fake: FakeModelArts, request: Request, id: str, task: str) -> tuple[int, Any]:
    content = "\n".join(fake.logs.get(f"{id}/{task}", []))
    return 200, {"content": content, "current_size": len(content), "full_size": len(content)}


_VERSION = r"/training-jobs/(\d+)/versions/(\d+)"
_V1 = (
    ("POST", "/training-jobs", _v1_create),
    ("GET", "/training-jobs", _v1_list),
    ("POST", r"/training-jobs/(\d+)/versions", _v1_version),
    ("GET", _VERSION, _v1_show),
    ("POST", _VERSION + "/stop", _v1_stop),
    ("GET", _VERSION + "/log/file-names", _v1_files),
    ("GET", _VERSION + "/aom-log", _v1_log),
)
_V2 = (
    ("POST", "/training-jobs", _v2_create),
    ("POST", "/training-job-searches", _v2_search),
    ("GET", r"/training-jobs/([^/]+)", _v2_show),
    ("POST", r"/training-jobs/([^/]+)/actions", _v2_act),
    ("GET", r"/training-jobs/([^/]+)/tasks/([^/]+)/logs/preview", _v2_log),
)
