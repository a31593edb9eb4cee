"""An HTTP proxy before an S3 server that throttles, cuts lines, shortens or alters what passes through it.

It passes requests on byte for byte with their Host header, so that their signatures stay valid.
"""

import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Fault = Literal["slow down", "cut before", "cut answer", "lose answer", "short body", "other bytes"]
Chooser = Callable[[str, str, int], Fault | None]

_SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
)


@dataclass
class FlakyProxy:
    """`fault(method, path, number)` says what to do to each request; `seen` lists all that came."""

    target: str
    fault: Chooser = lambda method, path, number: None
    seen: list[tuple[str, str, Fault | None]] = field(default_factory=list)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def choose(self, method: str, path: str) -> Fault | None:
        """The fate of one request, noted."""
        with self._lock:
            fault = self.fault(method, path, len(self.seen))
            self.seen.append((method, path, fault))
            return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FlakyProxy

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.proxy.choose(self.command, self.path)
        if fault == "slow down":
            self._answer(503, {"Content-Type": "application/xml"}, _SLOW_DOWN, len(_SLOW_DOWN))
        elif fault == "cut before":
            self._cut()
        else:
            self._pass_on(body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _relay  # noqa: N815

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        server = http.client.HTTPConnection(urlsplit(self.proxy.target).netloc, timeout=30)
        server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"expect", "connection"}:
                server.putheader(name, value)
        if fault == "other bytes" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        try:
            server.endheaders(body or None)
            response = server.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._cut()
            return
        finally:
            server.close()
        if fault == "lose answer":
            self._cut()
            return
        length = int(response.headers.get("Content-Length", len(data)))
        if fault == "other bytes" and data and self.command == "GET":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if fault == "short body":
            data = data[: len(data) // 2]
            length = len(data)
        if fault == "cut answer":
            data = data[: len(data) // 2]
        self._answer(response.status, dict(response.headers.items()), data, length)
        if fault == "cut answer":
            self._cut()

    def _answer(self, status: int, headers: dict[str, str], data: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _cut(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
