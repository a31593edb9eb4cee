"""Reads without botocore: when they are tried, and that whatever goes wrong is asked again by botocore."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from facejobs.storage.content_hash import ContentHash, content_hash
from facejobs.storage.errors import CorruptError, NotFoundError
from facejobs.storage.etag import MULTIPART_THRESHOLD
from facejobs.storage.opening import open_store
from facejobs.storage.s3 import S3Store
from facejobs.storage.s3_direct import DirectReader, DirectReadError
from facejobs.storage.s3_endpoint import DirectAccess, direct_access
from facejobs.storage.s3_signature import Credentials
from facejobs.storage.url import S3Location

LARGE = 2 * MULTIPART_THRESHOLD + 12345
PLACE = S3Location("bucket", "key")
Answer = Callable[[BaseHTTPRequestHandler], None]


def s3_store(url: str) -> S3Store:
    store = open_store(url)
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[S3Store], None]:
    """Makes a store that fails as soon as botocore is asked for anything."""

    def forbid(store: S3Store) -> None:
        monkeypatch.setattr(store._connection, "_make_client", lambda: pytest.fail("botocore was asked"))

    return forbid


@contextmanager
def server_that(answer: Answer) -> Iterator[DirectReader]:
    """A reader of a server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        # Several ranges are asked for at once; a connection that finds no place in the queue waits for a second.
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    access = DirectAccess(f"127.0.0.1:{server.server_address[1]}", "us-east-1", Credentials("id", "secret"))
    try:
        yield DirectReader(access, 5.0, 2.0)
    finally:
        server.shutdown()
        server.server_close()


def answering(status: int, body: bytes, length: int | None = None, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = length is not None

    return answer


def test_reads_need_no_botocore(bucket_url: str, no_client: Callable[[S3Store], None], tmp_path: Path) -> None:
    small, large = os.urandom(1000), os.urandom(LARGE)
    (tmp_path / "small").write_bytes(small)
    (tmp_path / "large").write_bytes(large)
    writing = open_store(f"{bucket_url}/ü folder")
    for name in ("small", "large"):
        writing.upload(tmp_path / name, f"{name} +%")
    writing.write("empty", b"")
    store = s3_store(f"{bucket_url}/ü folder")
    no_client(store)
    assert store.stat("small +%") == writing.stat("small +%")
    assert store.read("small +%") == small and store.read("small +%", 10, 5) == small[10:15]
    assert store.read("large +%", LARGE - 3) == large[-3:]
    assert store.download("empty", tmp_path / "back").size == 0
    for name, data in (("small", small), ("large", large)):
        expected = content_hash(data).result()
        # What proves a large object without a known digest is the MD5 of its parts, which botocore fetches.
        for known in (expected, ContentHash(expected.sha256), *([None] if name == "small" else [])):
            digest = store.download(f"{name} +%", tmp_path / "back", known)
            assert (tmp_path / "back").read_bytes() == data
            assert (digest.size, digest.sha256) == (len(data), expected.sha256)


def test_a_process_that_only_reads_never_imports_botocore(bucket_url: str) -> None:
    open_store(bucket_url).write("key", b"x")
    code = (
        "import sys; from facejobs.storage.opening import open_store; "
        f"store = open_store({bucket_url!r}); assert store.stat('key').size == 1 and store.read('key') == b'x'; "
        "sys.exit('botocore' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_absent_is_explained_by_botocore(bucket_url: str, tmp_path: Path) -> None:
    store = open_store(bucket_url)
    assert store.stat("absent") is None
    with pytest.raises(NotFoundError, match="no such object"):
        store.read("absent")
    with pytest.raises(NotFoundError, match="no such object"):
        store.download("absent", tmp_path / "file")
    store.write("short", b"abc")
    assert store.read("short", 7) == b""


@pytest.mark.parametrize("after", [0, 1, MULTIPART_THRESHOLD // 2, LARGE - 1])
def test_a_download_that_breaks_off_goes_on_where_it_was(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: int
) -> None:
    data = os.urandom(LARGE)
    (tmp_path / "file").write_bytes(data)
    store = s3_store(bucket_url)
    store.upload(tmp_path / "file", "key")
    asked: list[str] = []
    get = store._client.get_object
    monkeypatch.setattr(store._client, "get_object", lambda **wanted: asked.append(wanted["Range"]) or get(**wanted))

    def broken(*_: object) -> Iterator[memoryview]:
        yield memoryview(data)[:after]
        raise DirectReadError(ConnectionResetError())

    monkeypatch.setattr(DirectReader, "ranges", broken)
    digest = store.download("key", tmp_path / "back", content_hash(data).result())
    assert (tmp_path / "back").read_bytes() == data and digest.size == LARGE
    assert min(int(wanted.removeprefix("bytes=").partition("-")[0]) for wanted in asked) == after


@pytest.mark.parametrize("size", [1000, LARGE])
def test_damaged_bytes_are_fetched_again_by_botocore(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    store = s3_store(bucket_url)
    store.upload(tmp_path / "file", "key")
    readinto, read, spoiled = http.client.HTTPResponse.readinto, http.client.HTTPResponse.read, []

    def other_bytes(response: Any, buffer: memoryview) -> int:
        count = readinto(response, buffer)
        buffer[0] ^= 1
        spoiled.append(count)
        return count

    def other_body(response: Any, *limit: int) -> bytes:
        body = read(response, *limit)
        spoiled.append(len(body))
        return body[:-1] + bytes([body[-1] ^ 1]) if body else body

    monkeypatch.setattr(DirectReader, "_asked", _spoiling(DirectReader._asked, other_body))
    monkeypatch.setattr(http.client.HTTPResponse, "readinto", other_bytes)
    assert store.download("key", tmp_path / "back", content_hash(data).result()).size == size
    assert spoiled and (tmp_path / "back").read_bytes() == data


def _spoiling(asked: Any, body: Any) -> Any:
    @contextmanager
    def spoiled(self: DirectReader, *arguments: Any) -> Iterator[Any]:
        with asked(self, *arguments) as response:
            response.read = lambda *limit: body(response, *limit)
            yield response

    return spoiled


def test_an_object_replaced_under_way_is_noticed(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, new = os.urandom(LARGE), os.urandom(LARGE)
    store = s3_store(bucket_url)
    ranges = DirectReader.ranges

    def replaced(*arguments: Any) -> Any:
        (tmp_path / "file").write_bytes(new)
        store.upload(tmp_path / "file", "key")
        return ranges(*arguments)

    monkeypatch.setattr(DirectReader, "ranges", replaced)
    for wanted, outcome in ((old, pytest.raises(CorruptError, match="not what was uploaded")), (new, nullcontext())):
        (tmp_path / "file").write_bytes(old)
        store = s3_store(bucket_url)
        store.upload(tmp_path / "file", "key")
        with outcome:
            store.download("key", tmp_path / "back", content_hash(wanted).result())
    assert (tmp_path / "back").read_bytes() == new


@pytest.mark.parametrize(
    "answer",
    [
        answering(403, b"<Error/>"),
        answering(503, b"later"),
        answering(200, b"short", length=10),
        answering(200, b"packed", Content_Encoding="gzip"),
        answering(302, b"", Location="http://elsewhere/"),
        lambda request: setattr(request, "close_connection", True),
        lambda request: request.wfile.write(b"no HTTP\r\n\r\n") and None,
    ],
)
def test_whatever_the_server_does_is_one_failure(answer: Answer) -> None:
    with server_that(answer) as reader:
        for ask in (
            lambda: reader.read(PLACE, 0, None),
            lambda: reader.read(PLACE, 3, 2),
            lambda: reader.get(PLACE, 100),
            lambda: list(reader.ranges(PLACE, "etag", 100, 10)),
        ):
            with pytest.raises(DirectReadError) as raised:
                ask()
            assert not raised.value.silent


@pytest.mark.parametrize("range_", ["bytes 4-5/9", "bytes 33-34/90", ""])
def test_another_range_than_was_asked_for_is_refused(range_: str) -> None:
    with server_that(answering(206, b"ab", Content_Range=range_)) as reader:
        with pytest.raises(DirectReadError):
            reader.read(PLACE, 3, 2)
        with pytest.raises(DirectReadError):
            list(reader.ranges(PLACE, "etag", 2, 2))


def test_a_silent_server_is_told_from_a_refusing_one() -> None:
    with server_that(lambda request: time.sleep(1)) as reader, pytest.raises(DirectReadError) as raised:
        reader.head(PLACE)
    assert raised.value.silent


def test_a_setting_that_is_not_honoured_here_leaves_all_to_botocore(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert direct_access("http://host:80") == DirectAccess("host", "us-east-1", Credentials("unit", "unit-secret"))
    for endpoint in (
        None,
        "https://host",
        "http://host/prefix",
        "http://user:word@host",
        "http://bucket.s3.amazonaws.com",
        "http://obs.cn-north-4.myhuaweicloud.com",
    ):
        assert direct_access(endpoint) is None
    (tmp_path / "config").write_text("[default]\ns3 =\n    addressing_style = virtual\n")
    for name, value in {
        "AWS_PROFILE": "work",
        "AWS_RETRY_MODE": "adaptive",
        "http_proxy": "http://proxy:3128",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "config"),
        "AWS_SECRET_ACCESS_KEY": "",
    }.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert direct_access("http://host") is None, name
    monkeypatch.setenv("AWS_REGION", "cn-north-4")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    access = direct_access("http://host")
    assert access is not None and (access.region, access.credentials.token) == ("cn-north-4", "token")
