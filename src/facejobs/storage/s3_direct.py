"""Reads objects over plain HTTP without botocore, which takes longer to start than most reads last.

A shortcut only: it never retries and explains nothing. What fails here is asked again by botocore, which does both.
"""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import cycle, islice
from typing import Any
from urllib.parse import quote

from facejobs import __version__
from facejobs.storage.s3_endpoint import DirectAccess
from facejobs.storage.s3_signature import signed_headers
from facejobs.storage.url import S3Location

_RANGES_AHEAD = 8
_CHUNK = 1 << 20  # bytes; small enough to stay in the processor's cache between two uses
_METADATA = "x-amz-meta-"


class DirectReadError(Exception):
    """The server refused, broke off or answered something unexpected; `silent` if it did not answer in time."""

    def __init__(self, cause: object) -> None:
        super().__init__(str(cause))
        self.silent = isinstance(cause, TimeoutError)


class DirectReader:
    """Sends HEAD and GET to one server over connections that threads share. Every method raises DirectReadError."""

    def __init__(self, access: DirectAccess, connect_timeout: float, read_timeout: float) -> None:
        self._access = access
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._idle: deque[HTTPConnection] = deque()

    def head(self, place: S3Location) -> dict[str, Any]:
        """What the server says of an object, under the names that botocore uses."""
        with self._asked("HEAD", place) as response:
            _require(response, 200)
            response.read()
            return _said(response)

    def read(self, place: S3Location, start: int, length: int | None) -> bytes:
        """The bytes of an object from `start` on, at most `length` (not 0)."""
        whole = start == 0 and length is None
        last = "" if length is None else start + length - 1
        with self._asked("GET", place, {} if whole else {"range": f"bytes={start}-{last}"}) as response:
            _require(response, 200 if whole else 206)
            if not whole and not _begins_at(response, start):
                raise DirectReadError(f"not the bytes at {start}")
            return response.read()

    def get(self, place: S3Location, most: int) -> tuple[dict[str, Any], bytes | None]:
        """What the server says of an object, and its bytes, unless it has more than `most`."""
        with self._asked("GET", place) as response:
            _require(response, 200)
            said = _said(response)
            return said, None if said["ContentLength"] > most else response.read()

    def ranges(self, place: S3Location, etag: str, size: int, step: int) -> Generator[memoryview, None, None]:
        """The bytes of a large object in order, each piece valid until the next but one is asked for.

        Several ranges of `step` bytes are under way, so that the server prepares the next while one is read. Two small
        buffers in turn keep each piece in the processor's cache until it is written and hashed.
        """
        starts = iter(range(0, size, step))
        ahead: deque[tuple[HTTPConnection, int, int]] = deque()

        def ask(start: int) -> None:
            length = min(step, size - start)
            wanted = {"range": f"bytes={start}-{start + length - 1}", "if-match": f'"{etag}"'}
            ahead.append((self._ask("GET", place, wanted), start, length))

        buffers = cycle([memoryview(bytearray(min(step, _CHUNK))) for _ in range(2)])
        try:
            for start in islice(starts, _RANGES_AHEAD):
                ask(start)
            while ahead:
                connection, start, length = ahead[0]
                with _failures_told():
                    response = connection.getresponse()
                    _require(response, 206)
                    if response.length != length or not _begins_at(response, start):
                        raise DirectReadError(f"not {length} bytes at {start}")
                while length:
                    buffer = next(buffers)
                    with _failures_told():
                        received = response.readinto(buffer[:length])
                    if not received:
                        raise DirectReadError(f"{length} bytes are missing after {start}")
                    length -= received
                    yield buffer[:received]
                ahead.popleft()
                self._give_back(connection, response)
                for following in islice(starts, 1):
                    ask(following)
        finally:
            for connection, _, _ in ahead:
                connection.close()

    @contextmanager
    def _asked(self, method: str, place: S3Location, headers: dict[str, str] | None = None) -> Iterator[HTTPResponse]:
        connection = self._ask(method, place, headers or {})
        try:
            with _failures_told():
                response = connection.getresponse()
                yield response
        except BaseException:
            connection.close()
            raise
        self._give_back(connection, response)

    def _ask(self, method: str, place: S3Location, headers: dict[str, str]) -> HTTPConnection:
        path = quote(f"/{place.bucket}/{place.key}", safe="/~")
        named = {"host": self._access.host, **headers}
        signed = signed_headers(method, path, named, self._access.credentials, self._access.region, datetime.now(UTC))
        with _failures_told():
            connection = self._connection()
            try:
                connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
                for name, value in signed.items():
                    connection.putheader(name, value)
                connection.putheader("user-agent", f"facejobs/{__version__}")
                connection.endheaders()
            except BaseException:
                connection.close()
                raise
        return connection

    def _connection(self) -> HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            connection = HTTPConnection(self._access.host, timeout=self._connect_timeout)
            connection.connect()
            connection.sock.settimeout(self._read_timeout)
            return connection

    def _give_back(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        # The rest of a body that nobody read would be taken for the next answer.
        if response.isclosed() and connection.sock is not None:
            self._idle.append(connection)
        else:
            connection.close()


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise DirectReadError(error) from error


def _require(response: HTTPResponse, status: int) -> None:
    if response.status != status or response.length is None or response.getheader("content-encoding"):
        raise DirectReadError(f"status {response.status}")


def _begins_at(response: HTTPResponse, start: int) -> bool:
    return (response.getheader("content-range") or "").startswith(f"bytes {start}-")


def _said(response: HTTPResponse) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in response.getheaders()}
    modified = headers.get("last-modified")
    return {
        "ContentLength": int(headers.get("content-length", "")),
        "ETag": headers.get("etag", ""),
        "LastModified": parsedate_to_datetime(modified) if modified else None,
        "Metadata": {
            name.removeprefix(_METADATA): value for name, value in headers.items() if name.startswith(_METADATA)
        },
        "ServerSideEncryption": headers.get("x-amz-server-side-encryption"),
        "SSECustomerAlgorithm": headers.get("x-amz-server-side-encryption-customer-algorithm"),
    }
