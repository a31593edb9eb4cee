"""An API server over HTTP with just enough of Kubernetes for facejobs: what the official client really sends and reads.

Objects are kept in memory and checked against the schemas of Kubernetes, `fake_job_controller` makes pods of Jobs, and
a test plays the nodes: `start_pod`, `log`, `end_pod`; or `fake_kubelet` runs the pods' commands.
"""

import copy
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import kubernetes_validate
import yaml

# Test folders are no packages, so what tests of the job plane share is found by its folder.
sys.path.insert(0, str(Path(__file__).parents[1] / "jobs"))
from fake_job_controller import reconcile
from fake_kubernetes_http import NAMESPACE, TOKEN, Object, StatusError, handler
from jobset_schema import validate_jobset

_KINDS = {
    "jobs": "Job",
    "jobsets": "JobSet",
    "pods": "Pod",
    "secrets": "Secret",
    "services": "Service",
    "events": "Event",
}


class Refusal(NamedTuple):
    """An answer that a test wants, instead of the right one, as often as `times`."""

    method: str
    plural: str
    code: int
    message: str
    times: int


class FakeKubernetesApi:
    """Context manager: the server, on a port of its own."""

    def __init__(self, jobset: bool = False) -> None:
        self.jobset = jobset
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[tuple[str, str], Object] = {}
        self.history: list[tuple[int, str, str, Object]] = []
        self.requests: list[tuple[str, str]] = []
        self.refusals: list[Refusal] = []
        self.logs: dict[str, list[str]] = {}
        self.epoch = 0
        self._version, self._oldest = 100, 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeKubernetesApi":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drop_connections()
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, path: Path, token: str = TOKEN, namespace: str = NAMESPACE) -> Path:
        """A kubeconfig for this server."""
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(content))
        return path

    # What a test does.

    def refuse(self, method: str, plural: str, code: int, message: str, times: int = 1_000) -> None:
        """Answer so, for a while."""
        self.refusals.append(Refusal(method, plural, code, message, times))

    def drop_connections(self) -> None:
        """Cut all watches and logs that are being followed."""
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def compact(self) -> None:
        """Forget what was: a watch from before is answered with 410 Gone."""
        with self.changed:
            self._version += 1
            self._oldest = self._version
            self.history.clear()

    def all(self, plural: str) -> list[Object]:
        """The objects of one kind."""
        with self.changed:
            return [copy.deepcopy(item) for (kind, _), item in self.objects.items() if kind == plural]

    def one(self, plural: str) -> Object:
        """The only object of a kind."""
        (found,) = self.all(plural)
        return found

    def start_pod(self, name: str) -> None:
        """Its container runs."""
        self.set_pod(name, phase="Running", containerStatuses=[_container({"running": {"startedAt": now()}})])

    def set_pod(self, name: str, **status: Any) -> None:
        """Its status, as a node reports it."""
        with self.changed:
            pod = self.objects["pods", name]
            pod["status"].update(status)
            self.store("MODIFIED", "pods", pod)
            reconcile(self)

    def end_pod(self, name: str, code: int, reason: str = "", **status: Any) -> None:
        """Its container has ended."""
        ended = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error")}
        phase = "Failed" if code else "Succeeded"
        self.set_pod(name, phase=phase, containerStatuses=[_container({"terminated": ended})], **status)

    def log(self, pod: str, *lines: str) -> None:
        """It prints."""
        with self.changed:
            stamped = (
                f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}{len(self.logs[pod]) % 1000:03d}Z {line}" for line in lines
            )
            for line in stamped:
                self.logs[pod].append(line)
            self.changed.notify_all()

    # What the API does.

    def store(self, event: str, plural: str, item: Object) -> None:
        """Keep an object, or drop it, and tell the watches."""
        with self.changed:
            self._version += 1
            item["metadata"]["resourceVersion"] = str(self._version)
            name = item["metadata"]["name"]
            if event == "DELETED":
                self.objects.pop((plural, name), None)
            else:
                self.objects[plural, name] = item
            self.history.append((self._version, plural, event, copy.deepcopy(item)))
            self.changed.notify_all()

    def add(self, plural: str, item: Object) -> Object:
        """Keep a new object."""
        metadata = item["metadata"]
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "namespace": NAMESPACE}
        if plural == "pods":
            self.logs[metadata["name"]] = []
        self.store("ADDED", plural, item)
        return item

    def create(self, plural: str, body: Object) -> Object:
        """POST; the body must be right to the letter."""
        _check(body)
        name = body["metadata"]["name"]
        if (plural, name) in self.objects:
            raise StatusError(409, f'{plural} "{name}" already exists', "AlreadyExists")
        item = self.add(plural, {**body, "status": {}})
        reconcile(self)
        return item

    def patch(self, plural: str, name: str, body: Object) -> Object:
        """PATCH, as a merge (RFC 7386)."""
        item = self.find(plural, name)
        _merge(item, body)
        self.store("MODIFIED", plural, item)
        reconcile(self)
        return item

    def find(self, plural: str, name: str) -> Object:
        """GET."""
        if (plural, name) not in self.objects:
            raise StatusError(404, f'{plural} "{name}" not found', "NotFound")
        return self.objects[plural, name]

    def delete(self, plural: str, name: str, query: dict[str, str], body: Object) -> Object:
        """DELETE; pods are given time to end, unless that is 0."""
        item = self.find(plural, name)
        grace = query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
        policy = query.get("propagationPolicy", body.get("propagationPolicy"))
        item["metadata"]["deletionTimestamp"] = now()
        at_once = str(grace) == "0" or (plural != "pods" and policy != "Foreground")
        self.store("DELETED" if at_once else "MODIFIED", plural, item)
        reconcile(self)
        return item

    def listing(self, plural: str, query: dict[str, str]) -> Object:
        """GET of a collection."""
        items = [item for (kind, _), item in self.objects.items() if kind == plural and _selected(item, query)]
        metadata = {"resourceVersion": str(self._version)}
        version = "v1" if plural in ("pods", "events", "secrets", "services") else ""
        return {
            "kind": f"{_KINDS[plural]}List",
            "apiVersion": version or "batch/v1",
            "metadata": metadata,
            "items": items,
        }

    def watch(self, plural: str, query: dict[str, str]) -> Iterator[Object]:
        """GET with watch: events since a version, until the time is up or the connection is dropped."""
        since = int(query.get("resourceVersion") or self._version)
        deadline = time.monotonic() + float(query.get("timeoutSeconds", 60))
        with self.changed:
            epoch = self.epoch
            if since < self._oldest:
                gone = StatusError(410, f"too old resource version: {since}", "Expired").body
                yield {"type": "ERROR", "object": gone}
                return
            while time.monotonic() < deadline and self.epoch == epoch:
                for version, kind, event, item in list(self.history):
                    if version > since and kind == plural and _selected(item, query):
                        yield {"type": event, "object": item}
                    since = max(since, version)
                self.changed.wait(max(0.0, min(0.5, deadline - time.monotonic())))

    def log_lines(self, name: str, query: dict[str, str]) -> Iterator[str]:
        """GET of a pod's log."""
        told, stamps = 0, query.get("timestamps", "").lower() == "true"
        with self.changed:
            epoch = self.epoch
            while True:
                for line in self.logs[name][told:]:
                    yield line if stamps else line.partition(" ")[2]
                    told += 1
                pod = self.objects.get(("pods", name))
                over = pod is None or pod["status"].get("phase") in ("Succeeded", "Failed")
                if query.get("follow", "").lower() != "true" or over or self.epoch != epoch:
                    return
                self.changed.wait(0.5)


def now() -> str:
    """As the API writes times."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _container(state: Object) -> Object:
    return {"name": "task", "image": "image", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def _check(body: Object) -> None:
    try:
        if body["kind"] == "JobSet":
            validate_jobset(body, "1.37")
        else:
            kubernetes_validate.validate(body, "1.37", strict=True)
    except jsonschema.ValidationError as error:
        raise StatusError(400, f"strict decoding error: {error.message}", "BadRequest") from None


def _merge(item: Object, patch: Object) -> None:
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(item.get(name), dict):
            _merge(item[name], value)
        else:
            item[name] = value


def _selected(item: Object, query: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels", {})
    wanted = dict(part.split("=", 1) for part in filter(None, query.get("labelSelector", "").split(",")))
    fields = dict(part.split("=", 1) for part in filter(None, query.get("fieldSelector", "").split(",")))
    named = fields.get("involvedObject.name") in (None, item.get("involvedObject", {}).get("name"))
    return named and all(labels.get(name) == value for name, value in wanted.items())
