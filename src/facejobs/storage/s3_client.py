"""One connection to an S3 server: its client, its retries and the threads that move parts of large objects."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, cached_property, partial
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

from facejobs import __version__
from facejobs.storage.errors import CorruptError, StorageError
from facejobs.storage.s3_direct import DirectReader, DirectReadError
from facejobs.storage.s3_endpoint import direct_access, endpoint_of, region_named, wants_bucket_in_host
from facejobs.storage.s3_errors import explained, is_damage, is_passing

T = TypeVar("T")

CONNECTIONS = 64
PARALLEL_PARTS = 8
_CONNECT_TIMEOUT = 5.0  # seconds
_READ_TIMEOUT = 30.0  # seconds without a byte, after which the server counts as dead
_FIRST_PATIENCE = 15.0  # seconds of retries before a server that never answered is given up: an error in S3_ENDPOINT
_PATIENCE = 90.0  # seconds of retries for a server that has answered before: time enough to be restarted
_DAMAGED_TRIES = 3
_LONGEST_PAUSE = 5.0  # seconds
# Without this, a client asks "may I send?" and waits for an answer, which doubles the time of a small object.
_ASK_BEFORE_SENDING = 1 << 20  # bytes


class Connection:
    """A client that many threads share, the endpoint it speaks to, and how long it keeps trying.

    The client is made by `make_client` when it is first needed. Where `reader` is given, reads are tried with that
    first, and without the client if they succeed.
    """

    def __init__(
        self,
        make_client: Callable[[], Any],
        endpoint: str,
        patience: float | None = None,
        reader: DirectReader | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.seen_buckets: set[str] = set()
        self._make_client = make_client
        self._reader = reader
        self._patience = patience
        self._answered = False
        self._slots = threading.BoundedSemaphore(PARALLEL_PARTS)

    @cached_property
    def client(self) -> Any:
        """botocore's client."""
        return self._make_client()

    def directly(self, read: Callable[[DirectReader], T]) -> T | None:
        """What `read` returns; None if reads are not tried so, or this one failed: `call` then finds out why."""
        if self._reader is None:
            return None
        try:
            result = read(self._reader)
        except DirectReadError as failure:
            if failure.silent:
                self.read_by_client()
            return None
        self._answered = True
        return result

    def read_by_client(self) -> None:
        """Try no further read without the client, after one that was slow or brought damaged bytes."""
        self._reader = None

    def call(self, request: Callable[[], T], url: str) -> T:
        """What `request` returns, tried again with growing pauses while the server is away, busy or cuts the line.

        Raises a StorageError that explains the last failure. A CorruptError from `request` is tried again too.
        """
        started = time.monotonic()
        attempt = damaged = 0
        with explained(url, self.endpoint):
            while True:
                try:
                    result = request()
                except Exception as error:
                    damaged += isinstance(error, CorruptError) or is_damage(error)
                    if damaged >= _DAMAGED_TRIES or not (damaged or is_passing(error)):
                        raise
                    pause = random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, 0.1 * 2**attempt)
                    if not damaged and time.monotonic() + pause > started + self._longest_wait():
                        raise
                    attempt += 1
                    time.sleep(pause)
                else:
                    self._answered = True
                    return result

    def _longest_wait(self) -> float:
        if self._patience is not None:
            return self._patience
        return _PATIENCE if self._answered else _FIRST_PATIENCE

    @cached_property
    def _parts(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(PARALLEL_PARTS, thread_name_prefix="s3-part")

    def submit_part(self, work: Callable[[], T]) -> "Future[T]":
        """Run `work` in one of the threads for parts; waits while all are busy, which bounds the memory in flight."""
        self._slots.acquire()
        try:
            future = self._parts.submit(work)
        except BaseException:
            self._slots.release()
            raise
        future.add_done_callback(lambda _: self._slots.release())
        return future


def settle(parts: Sequence[Future[Any]]) -> None:
    """Drop the parts that nobody began and wait for the others, so that none outlives its file."""
    for part in parts:
        part.cancel()
    wait(part for part in parts if not part.cancelled())


def connect(url: str, patience: float | None = None) -> Connection:
    """A connection for `url`, set up from S3_ENDPOINT and the usual AWS variables and files; nothing is sent yet.

    `patience` is how many seconds failing requests are repeated (default: 15 before the first answer, then 90).
    Raises StorageError for an endpoint that is no URL, and for `obs://` without one.
    """
    endpoint = endpoint_of(url)
    access = direct_access(endpoint)
    if endpoint is None or access is None:
        client = _client(url, endpoint)
        return Connection(lambda: client, client.meta.endpoint_url, patience)
    reader = DirectReader(access, _CONNECT_TIMEOUT, _READ_TIMEOUT)
    return Connection(partial(_client, url, endpoint), endpoint, patience, reader)


def _client(url: str, endpoint: str | None) -> Any:
    # boto3 would add its resources and its transfer manager, which take longer to import than a small file to fetch.
    import botocore.session

    with explained(url, "the configured endpoint"):
        settings = botocore.session.Session()
        settings.register_component("data_loader", _service_descriptions())
        config = _config(settings, endpoint)
        try:
            region = region_named(endpoint, settings.get_config_variable("region"))
            client = settings.create_client("s3", endpoint_url=endpoint, region_name=region, config=config)
        except ValueError as error:
            raise StorageError(f"{url}: {error}; check S3_ENDPOINT and AWS_ENDPOINT_URL") from None
    if url.lower().startswith("obs://") and _is_aws(client.meta.endpoint_url):
        raise StorageError(
            f"{url}: obs:// needs the endpoint of your region; set S3_ENDPOINT=https://obs.REGION.myhuaweicloud.com"
        )
    client.meta.events.register_last("before-call.s3.PutObject", _send_small_at_once)
    client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    return client


@cache
def _service_descriptions() -> Any:
    """botocore's descriptions of services, which take longer to read than all else that a client needs."""
    from botocore.loaders import create_loader

    return create_loader()


def _config(settings: Any, endpoint: str | None) -> Any:
    from botocore.config import Config

    # The digest of the body travels as a signed Content-MD5, which every server checks and repeats as the ETag; hashing
    # the body once more for the signature would cost as much time as sending it.
    s3: dict[str, Any] = {"payload_signing_enabled": False}
    if endpoint:
        configured = settings.get_scoped_config().get("s3")
        style = configured.get("addressing_style") if isinstance(configured, dict) else None
        s3["addressing_style"] = style or ("virtual" if wants_bucket_in_host(endpoint) else "path")
    return Config(
        max_pool_connections=CONNECTIONS,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        # Connection.call repeats requests: botocore's own retries share one quota among all threads, which an outage of
        # seconds uses up, and they do not cover the body of an answer.
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4",
        # botocore would put its own name together anew for every request, twice.
        user_agent=f"facejobs/{__version__}",
        tcp_keepalive=True,
        s3=s3,
    )


def _is_aws(endpoint: str) -> bool:
    return (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _send_small_at_once(params: dict[str, Any], **_: Any) -> None:
    body = params.get("body")
    if isinstance(body, BytesIO) and body.getbuffer().nbytes <= _ASK_BEFORE_SENDING:
        params["headers"].pop("Expect", None)


def _add_md5(params: dict[str, Any], **_: Any) -> None:
    """OBS and older servers insist on Content-MD5 where botocore now sends a CRC."""
    import base64
    import hashlib

    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
