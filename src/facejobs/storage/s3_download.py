"""Fetches an S3 object into a file that appears whole and verified, or not at all."""

import hashlib
import re
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from facejobs.storage.content_hash import ContentHash, ContentHasher, content_hash
from facejobs.storage.errors import CorruptError
from facejobs.storage.etag import MULTIPART_THRESHOLD, etag_in, etag_of_parts, md5_in, part_size
from facejobs.storage.s3_client import Connection, settle
from facejobs.storage.s3_direct import DirectReader
from facejobs.storage.s3_multipart import PART_SIZE
from facejobs.storage.store import FileDigest
from facejobs.storage.url import S3Location
from facejobs.storage.whole_file import read_exactly, whole_file, write_all

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_PART = 1 << 28  # bytes; larger ones would fill the memory, so they are fetched in pieces of our own size
_RANGE = 8 << 20  # bytes; a server spends more time on the same bytes in more requests
_CHUNK = 1 << 20  # bytes; small enough to stay in the processor's cache between two uses


@dataclass(frozen=True)
class _Promise:
    """What the server says of an object before its bytes arrive."""

    size: int
    etag: str
    md5: str | None
    content: ContentHash | None
    step: int

    @classmethod
    def of(cls, response: dict[str, Any], expected: ContentHash | None) -> "_Promise":
        metadata = response.get("Metadata", {})
        size = int(response["ContentLength"])
        sha256 = metadata.get("sha256", "").lower()
        sent = metadata.get(PART_SIZE, "")
        step = int(sent) if sent.isascii() and sent.isdigit() and 0 < int(sent) <= _LARGEST_PART else 0
        md5 = md5_in(response)
        if md5 and "-" in md5 and not (step and md5.endswith(f"-{-(-size // step)}")):
            # Sent in parts of a size that nobody wrote down.
            md5, step = None, 0
        if expected is None and _SHA256.fullmatch(sha256):
            expected = ContentHash(sha256)
        return cls(size, etag_in(response), md5, expected, step or part_size(size))


def download_object(
    connection: Connection, place: S3Location, url: str, path: Path, expected: ContentHash | None = None
) -> FileDigest:
    """Fetch one object, which must be the `expected` if that is given, else what the server says of it.

    Raises NotFoundError, CorruptError (after more tries), OSError for this machine's disk.
    """
    return connection.call(partial(_attempt, connection, place, url, path, expected), url)


def _attempt(
    connection: Connection, place: S3Location, url: str, path: Path, expected: ContentHash | None
) -> FileDigest:
    try:
        return _fetched(connection, place, url, path, expected)
    except CorruptError:
        connection.read_by_client()
        raise


def _fetched(
    connection: Connection, place: S3Location, url: str, path: Path, expected: ContentHash | None
) -> FileDigest:
    def directly(reader: DirectReader) -> tuple[_Promise, bytes | None]:
        response, data = reader.get(place, MULTIPART_THRESHOLD)
        return _Promise.of(response, expected), data

    def request() -> tuple[_Promise, bytes | None]:
        response = connection.client.get_object(Bucket=place.bucket, Key=place.key)
        promise = _Promise.of(response, expected)
        if promise.size > MULTIPART_THRESHOLD:
            response["Body"].close()
            return promise, None
        return promise, response["Body"].read()

    promise, data = connection.directly(directly) or connection.call(request, url)
    if data is None:
        return _Ranges(connection, place, url, promise).fetch(path)
    hasher = content_hash(data, promise.content)
    if len(data) != promise.size:
        raise CorruptError(f"{url}: the server promised {promise.size} bytes and sent {len(data)}; try again")
    if promise.content is None and promise.md5 and "-" not in promise.md5:
        _require_md5("MD5", promise.md5, hashlib.md5(data, usedforsecurity=False).hexdigest(), url)
    digest = _proven(promise, hasher, url)
    with whole_file(path) as descriptor:
        write_all(descriptor, data, 0)
    return digest


def _proven(promise: _Promise, hasher: ContentHasher, url: str) -> FileDigest:
    """What was hashed; raises CorruptError unless it is the content that was promised, if any was."""
    fault = hasher.fault()
    if fault:
        raise _corrupt(fault, url)
    content = hasher.result()
    return FileDigest(promise.size, content.sha256, promise.etag, content.blake3)


def _require_md5(kind: str, promised: str, found: str, url: str) -> None:
    if promised != found:
        raise _corrupt(f"its {kind} is {found}, not {promised}", url)


def _corrupt(fault: str, url: str) -> CorruptError:
    return CorruptError(
        f"{url}: what arrived is not what was uploaded: {fault}; upload the object again if it stays so"
    )


@dataclass(frozen=True)
class _Ranges:
    """The ranges of one large object, fetched in parallel and hashed in order as they arrive."""

    connection: Connection
    place: S3Location
    url: str
    promise: _Promise

    def fetch(self, path: Path) -> FileDigest:
        """Write all ranges to a file, verify it, and give it its name."""
        hasher = ContentHasher(self.promise.content)
        fetching: list[Future[bytes]] = []
        with whole_file(path) as descriptor:
            offsets = range(self._read_directly(descriptor, hasher), self.promise.size, self.promise.step)
            try:
                hashed = 0
                for offset in offsets:
                    fetching.append(self.connection.submit_part(partial(self._range, descriptor, offset)))
                    while fetching[hashed].done():
                        self._hash(descriptor, fetching[hashed], offsets[hashed], hasher)
                        hashed += 1
                        if hashed == len(fetching):
                            break
                for index in range(hashed, len(fetching)):
                    self._hash(descriptor, fetching[index], offsets[index], hasher)
            finally:
                settle(fetching)
            if self._md5_decides:
                found = etag_of_parts([future.result() for future in fetching])
                _require_md5("MD5 of the MD5s of its parts", str(self.promise.md5), found, self.url)
            return _proven(self.promise, hasher, self.url)

    def _read_directly(self, descriptor: int, hasher: ContentHasher) -> int:
        """Write and hash the beginning of the object; how many bytes that is, up to all."""
        done = 0

        def read(reader: DirectReader) -> None:
            nonlocal done
            pieces = reader.ranges(self.place, self.promise.etag, self.promise.size, _RANGE)
            with closing(pieces), ThreadPoolExecutor(1, thread_name_prefix="s3-read") as pool:
                # One thread receives the next piece while this one writes and hashes the last.
                coming = pool.submit(next, pieces, None)
                while (piece := coming.result()) is not None:
                    coming = pool.submit(next, pieces, None)
                    write_all(descriptor, piece, done)
                    hasher.update(piece)
                    done += len(piece)

        # Other proofs need the bytes part by part.
        if self.promise.content is not None:
            self.connection.directly(read)
        return done

    def _length(self, offset: int) -> int:
        return min(self.promise.step, self.promise.size - offset)

    def _hash(self, descriptor: int, part: Future[bytes], offset: int, hasher: ContentHasher) -> None:
        part.result()
        end = offset + self._length(offset)
        for position in range(offset, end, _CHUNK):
            hasher.update(read_exactly(descriptor, min(_CHUNK, end - position), position))

    def _range(self, descriptor: int, offset: int) -> bytes:
        """Fetch one range into its place; its MD5, where that proves anything."""
        length = self._length(offset)

        def request() -> bytes:
            md5 = hashlib.md5(usedforsecurity=False)
            response = self.connection.client.get_object(
                Bucket=self.place.bucket,
                Key=self.place.key,
                Range=f"bytes={offset}-{offset + length - 1}",
                IfMatch=f'"{self.promise.etag}"',
            )
            received = 0
            for data in response["Body"].iter_chunks(_CHUNK):
                if received + len(data) <= length:
                    write_all(descriptor, data, offset + received)
                received += len(data)
                if self._md5_decides:
                    md5.update(data)
            if received != length:
                raise CorruptError(
                    f"{self.url}: the server sent {received} bytes for a range of {length} at {offset}; "
                    "the object is damaged, or the server knows no ranges"
                )
            return md5.digest()

        return self.connection.call(request, self.url)

    @property
    def _md5_decides(self) -> bool:
        return self.promise.content is None and self.promise.md5 is not None and "-" in self.promise.md5
