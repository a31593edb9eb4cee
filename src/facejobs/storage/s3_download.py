"""Fetches an S3 object into a file that appears whole and verified, or not at all."""

import hashlib
import re
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from facejobs.storage.errors import CorruptError
from facejobs.storage.etag import MULTIPART_THRESHOLD, etag_in, etag_of_parts, md5_in, part_size
from facejobs.storage.s3_client import Connection, settle
from facejobs.storage.s3_multipart import PART_SIZE
from facejobs.storage.store import FileDigest
from facejobs.storage.url import S3Location
from facejobs.storage.whole_file import read_exactly, whole_file, write_all

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_PART = 1 << 28  # bytes; larger ones would fill the memory, so they are fetched in pieces of our own size
_CHUNK = 4 << 20  # bytes


@dataclass(frozen=True)
class _Promise:
    """What the server says of an object before its bytes arrive."""

    size: int
    etag: str
    md5: str | None
    sha256: str | None
    step: int

    @classmethod
    def of(cls, response: dict[str, Any]) -> "_Promise":
        metadata = response.get("Metadata", {})
        size = int(response["ContentLength"])
        sha256 = metadata.get("sha256", "").lower()
        sent = metadata.get(PART_SIZE, "")
        step = int(sent) if sent.isascii() and sent.isdigit() and 0 < int(sent) <= _LARGEST_PART else 0
        md5 = md5_in(response)
        if md5 and "-" in md5 and not (step and md5.endswith(f"-{-(-size // step)}")):
            # Sent in parts of a size that nobody wrote down.
            md5, step = None, 0
        return cls(size, etag_in(response), md5, sha256 if _SHA256.fullmatch(sha256) else None, step or part_size(size))


def download_object(
    connection: Connection, place: S3Location, url: str, path: Path, sha256: str | None = None
) -> FileDigest:
    """Fetch one object, which must have the `sha256` if one is given, else what the server says of it.

    Raises NotFoundError, CorruptError (after more tries), OSError for this machine's disk.
    """
    return connection.call(partial(_attempt, connection, place, url, path, sha256), url)


def _attempt(connection: Connection, place: S3Location, url: str, path: Path, expected: str | None) -> FileDigest:
    target = {"Bucket": place.bucket, "Key": place.key}

    def request() -> tuple[_Promise, bytes | None]:
        response = connection.client.get_object(**target)
        promise = _Promise.of(response)
        if expected is not None:
            promise = replace(promise, sha256=expected)
        if promise.size > MULTIPART_THRESHOLD:
            response["Body"].close()
            return promise, None
        return promise, response["Body"].read()

    promise, data = connection.call(request, url)
    if data is None:
        return _Ranges(connection, target, url, promise).fetch(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if len(data) != promise.size:
        raise CorruptError(f"{url}: the server promised {promise.size} bytes and sent {len(data)}; try again")
    if promise.sha256:
        _compare("SHA-256", promise.sha256, sha256, url)
    elif promise.md5 and "-" not in promise.md5:
        _compare("MD5", promise.md5, hashlib.md5(data, usedforsecurity=False).hexdigest(), url)
    with whole_file(path) as descriptor:
        write_all(descriptor, data, 0)
    return FileDigest(promise.size, sha256, promise.etag)


def _compare(kind: str, promised: str, found: str, url: str) -> None:
    if promised != found:
        raise CorruptError(
            f"{url}: what arrived is not what was uploaded: its {kind} is {found}, not {promised}; "
            "upload the object again if it stays so"
        )


@dataclass(frozen=True)
class _Ranges:
    """The ranges of one large object, fetched in parallel and hashed in order as they arrive."""

    connection: Connection
    target: dict[str, str]
    url: str
    promise: _Promise

    def fetch(self, path: Path) -> FileDigest:
        """Write all ranges to a file, verify it, and give it its name."""
        sha256 = hashlib.sha256()
        fetching: list[Future[bytes]] = []
        with whole_file(path) as descriptor:
            try:
                hashed = 0
                for offset in range(0, self.promise.size, self.promise.step):
                    fetching.append(self.connection.submit_part(partial(self._range, descriptor, offset)))
                    while fetching[hashed].done():
                        self._hash(descriptor, fetching[hashed], hashed, sha256)
                        hashed += 1
                        if hashed == len(fetching):
                            break
                for index in range(hashed, len(fetching)):
                    self._hash(descriptor, fetching[index], index, sha256)
            finally:
                settle(fetching)
            self._verify([future.result() for future in fetching], sha256.hexdigest())
        return FileDigest(self.promise.size, sha256.hexdigest(), self.promise.etag)

    def _length(self, offset: int) -> int:
        return min(self.promise.step, self.promise.size - offset)

    def _hash(self, descriptor: int, part: Future[bytes], index: int, sha256: "hashlib._Hash") -> None:
        part.result()
        offset = index * self.promise.step
        end = offset + self._length(offset)
        for position in range(offset, end, _CHUNK):
            sha256.update(read_exactly(descriptor, min(_CHUNK, end - position), position))

    def _range(self, descriptor: int, offset: int) -> bytes:
        """Fetch one range into its place; its MD5, where that proves anything."""
        length = self._length(offset)

        def request() -> bytes:
            response = self.connection.client.get_object(
                Range=f"bytes={offset}-{offset + length - 1}", IfMatch=f'"{self.promise.etag}"', **self.target
            )
            data: bytes = response["Body"].read()
            if len(data) != length:
                raise CorruptError(
                    f"{self.url}: the server sent {len(data)} bytes for a range of {length} at {offset}; "
                    "the object is damaged, or the server knows no ranges"
                )
            return data

        data = self.connection.call(request, self.url)
        write_all(descriptor, data, offset)
        return hashlib.md5(data, usedforsecurity=False).digest() if self._md5_decides else b""

    @property
    def _md5_decides(self) -> bool:
        return self.promise.sha256 is None and self.promise.md5 is not None and "-" in self.promise.md5

    def _verify(self, md5s: list[bytes], sha256: str) -> None:
        if self.promise.sha256:
            _compare("SHA-256", self.promise.sha256, sha256, self.url)
        elif self._md5_decides:
            _compare("MD5 of the MD5s of its parts", str(self.promise.md5), etag_of_parts(md5s), self.url)
