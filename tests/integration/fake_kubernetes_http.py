"""The HTTP side of the API server of the tests: paths, logins, answers, and streams that may be cut."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from fake_kubernetes_api import FakeKubernetesApi

TOKEN = "a-token-of-the-test"
NAMESPACE = "faces"
Object = dict[str, Any]

_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?)?"
)


class StatusError(Exception):
    """What the API answers in a Status object."""

    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.body = {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}


def handler(api: "FakeKubernetesApi") -> type[BaseHTTPRequestHandler]:
    """The class that answers requests to one server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            try:
                self._answer()
            except StatusError as error:
                self._send(error.body["code"], error.body)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def _answer(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            api.requests.append((self.command, url.path))
            match = _PATH.fullmatch(url.path)
            if match is None or (match["group"] == "jobset.x-k8s.io" and not api.jobset):
                raise StatusError(404, "the server could not find the requested resource", "NotFound")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise StatusError(401, "Unauthorized", "Unauthorized")
            if match["plural"] is None:
                return self._send(200, {"kind": "APIResourceList", "resources": []})
            self._refuse(match["sub"] or match["plural"])
            if match["namespace"] != NAMESPACE and self.command == "POST":
                raise StatusError(404, f'namespaces "{match["namespace"]}" not found', "NotFound")
            return self._act(match["plural"], match["name"], match["sub"], query, body)

        def _refuse(self, plural: str) -> None:
            for number, item in enumerate(api.refusals):
                if (item.method, item.plural) == (self.command, plural) and item.times:
                    api.refusals[number] = item._replace(times=item.times - 1)
                    raise StatusError(item.code, item.message)

        def _act(self, plural: str, name: str | None, sub: str | None, query: dict[str, str], body: Object) -> None:
            if sub == "log":
                api.find("pods", name or "")
                return self._stream((f"{line}\n" for line in api.log_lines(name or "", query)), "text/plain")
            if self.command == "GET" and query.get("watch", "").lower() == "true":
                return self._stream(json.dumps(event) + "\n" for event in api.watch(plural, query))
            with api.changed:
                if self.command == "POST":
                    return self._send(201, api.create(plural, body))
                if self.command == "PATCH":
                    if self.headers.get("Content-Type") != "application/merge-patch+json":
                        raise StatusError(415, "the body of the request was in an unknown format")
                    return self._send(200, api.patch(plural, name or "", body))
                if self.command == "DELETE":
                    return self._send(200, api.delete(plural, name or "", query, body))
                return self._send(200, api.find(plural, name) if name else api.listing(plural, query))

        def _send(self, code: int, answer: Object) -> None:
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, lines: Iterator[str], content: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("Content-Type", content)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            epoch = api.epoch
            try:
                for line in lines:
                    data = line.encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                if api.epoch == epoch:
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                pass
            self.close_connection = True

    return Handler
