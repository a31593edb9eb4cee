"""Sends a large file to S3 in parallel parts, each proven by its MD5, the whole by the MD5 of those."""

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from facejobs.storage.content_hash import ContentHash, ContentHasher
from facejobs.storage.errors import CorruptError, StorageError
from facejobs.storage.etag import etag_in, etag_of_parts, md5_in, part_size
from facejobs.storage.s3_client import Connection, settle
from facejobs.storage.s3_errors import code_of
from facejobs.storage.store import FileDigest
from facejobs.storage.url import S3Location
from facejobs.storage.whole_file import read_exactly

# In the object's metadata: with it a reader can compute the MD5 of the parts again.
PART_SIZE = "part-size"
_STARTS = 3


class _UploadGoneError(Exception):
    """The server has forgotten the parts it was sent, as one without a disk does when it restarts."""


@dataclass(frozen=True)
class _Part:
    number: int
    etag: str
    md5: bytes


@dataclass(frozen=True)
class _Upload:
    connection: Connection
    place: S3Location
    url: str
    descriptor: int
    size: int

    @property
    def target(self) -> dict[str, str]:
        return {"Bucket": self.place.bucket, "Key": self.place.key}

    def call(self, request: Callable[[], Any]) -> Any:
        return self.connection.call(request, self.url)


def upload_in_parts(connection: Connection, place: S3Location, url: str, descriptor: int, size: int) -> FileDigest:
    """Send the first `size` bytes of an open file; what a failed attempt left on the server is removed.

    Raises CorruptError if the file becomes shorter or the server's digests are not ours, and other StorageErrors.
    """
    upload = _Upload(connection, place, url, descriptor, size)
    for _ in range(_STARTS):
        with suppress(_UploadGoneError):
            return _attempt(upload)
    raise StorageError(f"{url}: the server lost the parts it was sent {_STARTS} times; try again later")


def _attempt(upload: _Upload) -> FileDigest:
    client = upload.connection.client
    step = part_size(upload.size)
    begin = partial(client.create_multipart_upload, Metadata={PART_SIZE: str(step)}, **upload.target)
    identity = upload.call(begin)["UploadId"]
    try:
        parts, content = _send_parts(upload, identity, step)
        etag = _complete(upload, identity, parts)
    except BaseException:
        with suppress(Exception):
            client.abort_multipart_upload(UploadId=identity, **upload.target)
        raise
    return FileDigest(upload.size, content.sha256, etag, content.blake3)


def _send_parts(upload: _Upload, identity: str, step: int) -> tuple[list[_Part], ContentHash]:
    """All parts, in order, and the digests of the whole; the file is read once."""
    hasher = ContentHasher()
    sending: list[Future[_Part]] = []
    try:
        for number, offset in enumerate(range(0, upload.size, step), start=1):
            data = read_exactly(upload.descriptor, min(step, upload.size - offset), offset)
            if len(data) < min(step, upload.size - offset):
                raise CorruptError(
                    f"{upload.url}: the file was shortened while it was sent; try again when it is whole"
                )
            sending.append(upload.connection.submit_part(partial(_send, upload, identity, number, data)))
            hasher.update(data)
            if any(future.done() and future.exception() for future in sending):
                break
        return [future.result() for future in sending], hasher.result()
    finally:
        settle(sending)


def _send(upload: _Upload, identity: str, number: int, data: bytes) -> _Part:
    md5 = hashlib.md5(data, usedforsecurity=False)

    def request() -> _Part:
        client = upload.connection.client
        try:
            response = client.upload_part(
                UploadId=identity,
                PartNumber=number,
                Body=data,
                ContentMD5=base64.b64encode(md5.digest()).decode(),
                **upload.target,
            )
        except client.exceptions.ClientError as error:
            if code_of(error.response) == "NoSuchUpload":
                raise _UploadGoneError from None
            raise
        if md5_in(response) not in (None, md5.hexdigest()):
            raise CorruptError(
                f"{upload.url}: the server received other bytes than were sent in part {number}; try again"
            )
        return _Part(number, etag_in(response), md5.digest())

    part: _Part = upload.call(request)
    return part


def _complete(upload: _Upload, identity: str, parts: list[_Part]) -> str:
    """Join the parts; the ETag of the whole, which is compared with ours where it is made of MD5s."""
    client = upload.connection.client
    listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
    expected = etag_of_parts([part.md5 for part in parts])

    def request() -> dict[str, Any]:
        try:
            response: dict[str, Any] = client.complete_multipart_upload(
                UploadId=identity, MultipartUpload={"Parts": listed}, **upload.target
            )
        except client.exceptions.ClientError as error:
            if code_of(error.response) != "NoSuchUpload":
                raise
            # Joined already, if an earlier answer was lost under way.
            response = _head(upload)
            if etag_in(response).lower() != expected:
                raise _UploadGoneError from None
        return response

    response = upload.call(request)
    stated = md5_in(response)
    if stated is None or stated != expected:
        size = upload.call(lambda: _head(upload)).get("ContentLength")
        if size != upload.size or (stated and "-" in stated):
            raise CorruptError(
                f"{upload.url}: the server joined the parts into something else ({size} bytes, "
                f"ETag {etag_in(response)}; "
                f"sent {upload.size} bytes, {expected})"
            )
    return etag_in(response)


def _head(upload: _Upload) -> dict[str, Any]:
    head: dict[str, Any] = upload.connection.client.head_object(**upload.target)
    return head
