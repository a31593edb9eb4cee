"""A folder of a bucket as an object store, on any server that speaks S3."""

import base64
import builtins
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

from facejobs.storage.content_hash import ContentHash, content_hash
from facejobs.storage.errors import CorruptError, NotFoundError, StorageError
from facejobs.storage.etag import MULTIPART_THRESHOLD, etag_in, md5_in
from facejobs.storage.keys import check_key, is_temporary
from facejobs.storage.s3_client import Connection
from facejobs.storage.s3_download import download_object
from facejobs.storage.s3_errors import status_of
from facejobs.storage.s3_multipart import upload_in_parts
from facejobs.storage.store import FileDigest, ObjectInfo, ObjectStore
from facejobs.storage.url import S3Location, join_url

T = TypeVar("T")

_MOST_DELETED = 1000  # objects in one request
_CLAIM = "claim"


class S3Store(ObjectStore):
    """Objects below `place`; `url` is how the user wrote it."""

    def __init__(self, connection: Connection, url: str, place: S3Location) -> None:
        self.url = url
        self._connection = connection
        self._place = place

    @property
    def _client(self) -> Any:
        return self._connection.client

    def list(self, prefix: str = "", recursive: bool = True) -> Iterator[ObjectInfo]:
        """Every object in the folder `prefix`; see ObjectStore.

        Servers that keep objects in a tree list `a/b` before `a-b`, so the listing is fetched wholly and sorted.
        """
        yield from sorted(self._entries(prefix, "" if recursive else "/"))

    def _entries(self, prefix: str, delimiter: str) -> Iterator[ObjectInfo]:
        root = len(self._place.key) + 1 if self._place.key else 0
        for page in self._pages(prefix, delimiter):
            for entry in page.get("Contents", ()):
                key = entry["Key"][root:]
                # Consoles make an empty object whose name ends in a slash for every folder.
                if not entry["Key"].endswith("/") and not is_temporary(key):
                    check_key(key, self.url)
                    yield ObjectInfo(key, entry["Size"], etag_in(entry), entry["LastModified"].astimezone(UTC))

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Names of the immediate subfolders; see ObjectStore."""
        pages = self._pages(prefix, "/")
        names = (
            entry["Prefix"].rstrip("/").rpartition("/")[2] for page in pages for entry in page.get("CommonPrefixes", ())
        )
        return sorted(name for name in names if name and not is_temporary(name))

    def stat(self, key: str) -> ObjectInfo | None:
        """Size, ETag and time of one object; see ObjectStore."""
        place = S3Location(self._place.bucket, self._key(key))
        try:
            head = self._connection.directly(lambda reader: reader.head(place)) or self._call(
                lambda: self._client.head_object(Bucket=place.bucket, Key=place.key), key
            )
        except NotFoundError:
            self._require_bucket()
            return None
        except StorageError:
            # The answer to HEAD has no body and so no reason: asking for a byte of the object gives one.
            self.read(key, 0, 1)
            raise
        return ObjectInfo(key, head["ContentLength"], etag_in(head), head["LastModified"].astimezone(UTC))

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of one object; see ObjectStore."""
        target = self._key(key)
        if length == 0:
            return b""
        place = S3Location(self._place.bucket, target)
        data = self._connection.directly(lambda reader: reader.read(place, start, length))
        if data is not None:
            return data
        last = "" if length is None else str(start + length - 1)
        wanted = {} if start == 0 and length is None else {"Range": f"bytes={start}-{last}"}

        def request() -> bytes:
            try:
                response = self._client.get_object(Bucket=self._place.bucket, Key=target, **wanted)
            except self._client.exceptions.ClientError as error:
                if status_of(error.response) == 416:
                    return b""
                raise
            data: bytes = response["Body"].read()
            if wanted and status_of(response) == 200:
                # A server that knows no ranges sends everything.
                return data[start:] if length is None else data[start : start + length]
            return data

        return self._call(request, key)

    def write(self, key: str, data: bytes) -> None:
        """Put one object in one request; see ObjectStore."""
        self._put(key, data)

    def write_if_absent(self, key: str, data: bytes) -> bool:
        """Put one object with `If-None-Match: *`; see ObjectStore.

        An answer may be lost after the server has written: a mark in the metadata tells our own object from another's.
        """
        mark = secrets.token_hex(16)
        tries = 0

        def request() -> bool:
            nonlocal tries
            tries += 1
            try:
                self._put_once(key, data, {_CLAIM: mark}, IfNoneMatch="*")
            except self._client.exceptions.ClientError as error:
                if status_of(error.response) != 412:
                    raise
                return tries > 1 and self._claim_of(key) == mark
            return True

        return self._call(request, key)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand in a request; see ObjectStore."""
        remaining = iter(keys)
        while batch := list(islice(remaining, _MOST_DELETED)):
            wanted = {"Objects": [{"Key": self._key(key)} for key in batch], "Quiet": True}
            request = partial(self._client.delete_objects, Bucket=self._place.bucket, Delete=wanted)
            for fault in self._connection.call(request, self.url).get("Errors", ()):
                if fault.get("Code") != "NoSuchKey":
                    raise StorageError(
                        f"s3://{self._place.bucket}/{fault.get('Key')} was not deleted: {fault.get('Code')}: "
                        f"{fault.get('Message')}"
                    )

    def upload(self, path: Path, key: str) -> FileDigest:
        """Send a file in one request, or in parallel parts above 16 MiB; see ObjectStore."""
        target = self._key(key)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MULTIPART_THRESHOLD:
                place = S3Location(self._place.bucket, target)
                return upload_in_parts(self._connection, place, self.url_of(key), file.fileno(), size)
            data = file.read(size)
        if len(data) != size:
            raise CorruptError(f"{path} was shortened while it was read; try again when its writer is done")
        return self._put(key, data)

    def download(self, key: str, path: Path, expected: ContentHash | None = None) -> FileDigest:
        """Fetch an object in one request, or in parallel ranges above 16 MiB; see ObjectStore."""
        place = S3Location(self._place.bucket, self._key(key))
        return download_object(self._connection, place, self.url_of(key), path, expected)

    def below(self, prefix: str) -> Self:
        """The store of one folder; see ObjectStore."""
        prefix = prefix.strip("/")
        if not prefix:
            return self
        place = S3Location(self._place.bucket, self._key(prefix))
        return type(self)(self._connection, join_url(self.url, prefix), place)

    def _key(self, key: str) -> str:
        check_key(key, self.url)
        return f"{self._place.key}/{key}" if self._place.key else key

    def _call(self, request: Callable[[], T], key: str) -> T:
        return self._connection.call(request, self.url_of(key))

    def _pages(self, prefix: str, delimiter: str) -> Iterator[dict[str, Any]]:
        """The pages of a listing, by version 1: servers that do not know version 2 would stop at a thousand."""
        prefix = prefix.strip("/")
        folder = self._key(prefix) if prefix else self._place.key
        options = {"Bucket": self._place.bucket, "Prefix": f"{folder}/" if folder else "", "Delimiter": delimiter}
        marker = ""
        while True:
            request = partial(self._client.list_objects, Marker=marker, **options)
            page = self._connection.call(request, join_url(self.url, prefix))
            yield page
            if not page.get("IsTruncated"):
                return
            following = page.get("NextMarker") or _last_name(page)
            if not following or following == marker:
                raise StorageError(f"{self.url}: the server's listing does not go on after {marker!r}")
            marker = following

    def _put(self, key: str, data: bytes) -> FileDigest:
        return self._call(lambda: self._put_once(key, data, {}), key)

    def _put_once(self, key: str, data: bytes, metadata: dict[str, str], **condition: str) -> FileDigest:
        md5 = hashlib.md5(data, usedforsecurity=False)
        content = content_hash(data).result()
        response = self._client.put_object(
            Bucket=self._place.bucket,
            Key=self._key(key),
            Body=data,
            ContentMD5=base64.b64encode(md5.digest()).decode(),
            Metadata={"sha256": content.sha256, **metadata},
            **condition,
        )
        stated = md5_in(response)
        if stated and "-" not in stated and stated != md5.hexdigest():
            raise CorruptError(
                f"{self.url_of(key)}: the server received other bytes than were sent (its ETag is {etag_in(response)}, "
                f"the MD5 sent {md5.hexdigest()}); try again"
            )
        return FileDigest(len(data), content.sha256, etag_in(response), content.blake3)

    def _claim_of(self, key: str) -> str | None:
        head = self._client.head_object(Bucket=self._place.bucket, Key=self._key(key))
        claim: str | None = head.get("Metadata", {}).get(_CLAIM)
        return claim

    def _require_bucket(self) -> None:
        """Raise NotFoundError if an object is absent because its bucket is; asked once."""
        bucket = self._place.bucket
        if bucket in self._connection.seen_buckets:
            return
        try:
            self._connection.call(lambda: self._client.head_bucket(Bucket=bucket), self.url)
        except NotFoundError:
            raise NotFoundError(
                f"{self.url}: the bucket {bucket} does not exist; check its name, or create it"
            ) from None
        self._connection.seen_buckets.add(bucket)


def _last_name(page: dict[str, Any]) -> str:
    names = [entry["Key"] for entry in page.get("Contents", ())[-1:]]
    names += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())[-1:]]
    return max(names, default="")
