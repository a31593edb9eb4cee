"""What only a bucket can do: settings, ETags, wrong servers, listings by page, uploads that fail half-way."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from facejobs.storage import s3_multipart
from facejobs.storage.errors import AccessError, CorruptError, NotFoundError, StorageError, UnreachableError
from facejobs.storage.etag import MULTIPART_THRESHOLD, part_size
from facejobs.storage.local_files import digest_file
from facejobs.storage.opening import open_store
from facejobs.storage.s3 import S3Store
from facejobs.storage.s3_client import connect
from facejobs.storage.s3_errors import explained, is_passing
from facejobs.storage.url import S3Location


def client_of(url: str) -> Any:
    return connect(url).client


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("obs.cn-north-4.myhuaweicloud.com", "https://obs.cn-north-4.myhuaweicloud.com"),
    ],
)
def test_the_endpoint_comes_from_s3_endpoint_first(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch, text: str, url: str
) -> None:
    monkeypatch.setenv("S3_ENDPOINT", text)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://elsewhere:1")
    assert client_of("s3://bucket").meta.endpoint_url == url


@pytest.mark.parametrize("text", ["ftp://host", "http://", "http://host:port", "http://host:99999"])
def test_an_endpoint_that_is_none_is_refused(s3_environment: str, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("S3_ENDPOINT", text)
    with pytest.raises(StorageError, match="S3_ENDPOINT"):
        connect("s3://bucket")


def test_region_and_addressing_follow_the_server(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def host(url: str = "s3://bucket") -> tuple[str, str]:
        client = client_of(url)
        return client.meta.region_name, client.generate_presigned_url(
            "get_object", Params={"Bucket": "bkt", "Key": "k"}
        )

    region, url = host()
    assert region == "us-east-1" and url.startswith(f"{s3_environment}/bkt/k")
    monkeypatch.setenv("S3_ENDPOINT", "https://obs.cn-north-4.myhuaweicloud.com")
    region, url = host("obs://bkt")
    assert region == "cn-north-4" and url.startswith("https://bkt.obs.cn-north-4.myhuaweicloud.com/k")
    monkeypatch.delenv("S3_ENDPOINT")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    region, url = host()
    assert region == "eu-west-3" and url.startswith("https://bkt.s3.")


def test_addressing_in_the_aws_file_wins(s3_environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\ns3 =\n    addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("S3_ENDPOINT", "http://storage.example:9000")
    client = client_of("s3://bkt")
    assert client.meta.region_name == "eu-west-1"
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bkt", "Key": "k"})
    assert url.startswith("http://bkt.storage.example:9000/k")


def test_obs_without_an_endpoint_never_goes_to_another_cloud(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("S3_ENDPOINT")
    with pytest.raises(StorageError, match="S3_ENDPOINT=https://obs"):
        open_store("obs://bucket/x")


def test_missing_credentials_and_profiles_are_named(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        open_store("s3://bucket").read("x")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AccessError, match=r"nobody.*AWS_PROFILE"):
        open_store("s3://bucket").read("x")


def test_a_missing_bucket_is_said_by_every_method(s3_environment: str, tmp_path: Path) -> None:
    store = open_store("s3://no-such-bucket/x")
    (tmp_path / "file").write_bytes(b"x")
    for act in (
        lambda: list(store.list()),
        lambda: store.folders(),
        lambda: store.stat("key"),
        lambda: store.read("key"),
        lambda: store.write("key", b""),
        lambda: store.write_if_absent("key", b""),
        lambda: store.delete(["key"]),
        lambda: store.upload(tmp_path / "file", "key"),
        lambda: store.download("key", tmp_path / "out"),
    ):
        with pytest.raises(NotFoundError, match=r"bucket .*does not exist"):
            act()


def test_a_server_that_is_not_there_is_named(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:1")
    store = S3Store(connect("s3://bucket", patience=0.3), "s3://bucket", S3Location("bucket", ""))
    with pytest.raises(UnreachableError, match=r"s3://bucket/x.*127\.0\.0\.1:1.*S3_ENDPOINT"):
        store.read("x")


@pytest.mark.parametrize(
    ("code", "status", "kind", "said", "again"),
    [
        ("SignatureDoesNotMatch", 403, AccessError, "AWS_SECRET_ACCESS_KEY", False),
        ("InvalidAccessKeyId", 403, AccessError, "AWS_ACCESS_KEY_ID", False),
        ("RequestTimeTooSkewed", 403, AccessError, "clock", False),
        ("ExpiredToken", 400, AccessError, "expired", False),
        ("SomethingNew", 403, AccessError, "access denied", False),
        ("AuthorizationHeaderMalformed", 400, StorageError, "AWS_REGION", False),
        ("SlowDown", 503, UnreachableError, "overloaded", True),
        ("InternalError", 500, UnreachableError, "try again later", True),
        ("InsufficientStorage", 507, StorageError, "no room", False),
        ("NotImplemented", 501, StorageError, "does not know", False),
        ("BadDigest", 400, CorruptError, "other bytes", True),
        ("OperationAborted", 409, UnreachableError, "again later", True),
        ("Teapot", 418, StorageError, r"refused the request \(Teapot: why\)", False),
    ],
)
def test_refusals_are_put_into_words(code: str, status: int, kind: type[StorageError], said: str, again: bool) -> None:
    error = ClientError(
        {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )
    assert is_passing(error) is again
    with pytest.raises(kind, match=rf"s3://b/k.*{said}") as raised, explained("s3://b/k", "http://host"):
        raise error
    assert type(raised.value) is kind


def test_folder_markers_of_consoles_are_not_objects(bucket_url: str, plain_client: Any) -> None:
    bucket = bucket_url.removeprefix("s3://")
    for key in ("data/", "data/train/", "data/train/x"):
        plain_client.put_object(Bucket=bucket, Key=key, Body=b"")
    store = open_store(f"{bucket_url}/data")
    assert [info.key for info in store.list()] == ["train/x"]
    assert store.folders() == ["train"]


@pytest.mark.parametrize("key", ["data/../escape", "data//x", "data/a\\b"])
def test_a_name_that_would_leave_a_folder_stops_the_listing(bucket_url: str, plain_client: Any, key: str) -> None:
    plain_client.put_object(Bucket=bucket_url.removeprefix("s3://"), Key=key, Body=b"")
    with pytest.raises(StorageError, match="cannot be used as the name"):
        list(open_store(f"{bucket_url}/data").list())


def test_a_listing_goes_on_after_a_thousand(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    keys = sorted(f"{folder}/{number}" for folder in "abcde" for number in range(3))
    for key in keys:
        store.write(key, b"")
    listing = store._client.list_objects
    monkeypatch.setattr(store._client, "list_objects", lambda **options: listing(**options, MaxKeys=2))
    assert [info.key for info in store.list()] == keys
    assert store.folders() == list("abcde")


def test_other_bytes_on_the_way_up_are_noticed(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    put, sent = store._client.put_object, []

    def alter(**request: Any) -> Any:
        sent.append(request["Key"])
        return put(**{**request, "Body": b"other", "ContentMD5": ""} if len(sent) < 2 else request)

    monkeypatch.setattr(store._client, "put_object", alter)
    (tmp_path / "file").write_bytes(b"model")
    store.upload(tmp_path / "file", "key")
    assert sent == ["key", "key"] and store.read("key") == b"model"
    monkeypatch.setattr(store._client, "put_object", lambda **request: {"ETag": '"' + "0" * 32 + '"'})
    with pytest.raises(CorruptError, match="other bytes than were sent"):
        store.write("key", b"model")


@pytest.mark.parametrize("metadata", [{"sha256": hashlib.sha256(b"true").hexdigest()}, {"part-size": "nonsense"}])
def test_an_object_that_is_not_what_it_says_is_not_taken(
    bucket_url: str,
    reads_by_client: None,
    plain_client: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    metadata: dict[str, str],
) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    plain_client.put_object(Bucket=bucket_url.removeprefix("s3://"), Key="key", Body=b"false", Metadata=metadata)
    get = store._client.get_object
    monkeypatch.setattr(store._client, "get_object", lambda **request: {**get(**request), "ETag": '"' + "0" * 32 + '"'})
    (tmp_path / "file").write_bytes(b"good")
    with pytest.raises(CorruptError, match="SHA-256" if "sha256" in metadata else "MD5"):
        store.download("key", tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"good"


def test_a_large_object_of_another_is_fetched_by_length(bucket_url: str, plain_client: Any, tmp_path: Path) -> None:
    data = os.urandom(MULTIPART_THRESHOLD + 3)
    bucket, key = bucket_url.removeprefix("s3://"), "theirs"
    upload = plain_client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    cuts = [data[: 6 << 20], data[6 << 20 :]]
    parts = [
        {
            "PartNumber": number,
            "ETag": plain_client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)[
                "ETag"
            ],
        }
        for number, part in enumerate(cuts, start=1)
    ]
    plain_client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    assert open_store(bucket_url).download(key, tmp_path / "out").sha256 == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "out").read_bytes() == data


def test_the_etag_of_an_upload_is_known_before_it(bucket_url: str, tmp_path: Path) -> None:
    store = open_store(bucket_url)
    for size in (0, 5, 2 * MULTIPART_THRESHOLD + 1):
        (tmp_path / "file").write_bytes(os.urandom(size))
        assert store.upload(tmp_path / "file", "key").etag == digest_file(tmp_path / "file").etag


def test_no_file_needs_more_parts_than_a_server_takes() -> None:
    for size in (1, 100 << 30, 5 << 40, (5 << 40) - 1):
        assert -(-size // part_size(size)) <= 10_000 and part_size(size) % (1 << 20) == 0


def test_a_failed_upload_leaves_neither_object_nor_parts(
    bucket_url: str, plain_client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    (tmp_path / "file").write_bytes(os.urandom(4 * MULTIPART_THRESHOLD))
    monkeypatch.setattr(s3_multipart, "md5_in", lambda response: "0" * 32)
    with pytest.raises(CorruptError, match="in part"):
        store.upload(tmp_path / "file", "key")
    bucket = bucket_url.removeprefix("s3://")
    assert store.stat("key") is None
    assert plain_client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_file_that_is_shortened_while_it_is_sent_is_an_error(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(os.urandom(2 * MULTIPART_THRESHOLD))
    real = s3_multipart.read_exactly

    def shrinking(descriptor: int, length: int, offset: int) -> bytes:
        os.truncate(tmp_path / "file", MULTIPART_THRESHOLD + 10)
        return real(descriptor, length, offset)

    monkeypatch.setattr(s3_multipart, "read_exactly", shrinking)
    with pytest.raises(CorruptError, match="shortened"):
        open_store(bucket_url).upload(tmp_path / "file", "key")
    assert open_store(bucket_url).stat("key") is None


def test_parts_that_a_server_forgot_are_sent_again(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    (tmp_path / "file").write_bytes(os.urandom(MULTIPART_THRESHOLD + 1))
    send, numbers = store._client.upload_part, []
    gone = {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": {"HTTPStatusCode": 404}}

    def forgetful(**request: Any) -> Any:
        numbers.append(request["PartNumber"])
        if len(numbers) == 2:
            raise ClientError(gone, "UploadPart")
        return send(**request)

    monkeypatch.setattr(store._client, "upload_part", forgetful)
    assert store.upload(tmp_path / "file", "key").etag == digest_file(tmp_path / "file").etag
    assert len(numbers) == 4


def test_a_claim_whose_answer_was_lost_is_still_ours(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    put, calls = store._client.put_object, []

    def lose_first(**request: Any) -> Any:
        answer = put(**request)
        calls.append(answer)
        if len(calls) == 1:
            raise ConnectionClosedError(endpoint_url="http://host")
        return answer

    monkeypatch.setattr(store._client, "put_object", lose_first)
    assert store.write_if_absent("V0001", b"same") is True
    assert store.write_if_absent("V0001", b"same") is False


@pytest.mark.parametrize("size", [5, MULTIPART_THRESHOLD + 1])
def test_a_full_disk_leaves_the_old_file_and_no_other(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    store = open_store(bucket_url)
    (tmp_path / "good").write_bytes(bytes(size))
    store.upload(tmp_path / "good", "key")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        store.download("key", tmp_path / "good")
    assert [path.name for path in tmp_path.iterdir()] == ["good"]
    assert (tmp_path / "good").stat().st_size == size


def test_a_server_without_ranges_still_gives_the_range(
    bucket_url: str, reads_by_client: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket_url)
    assert isinstance(store, S3Store)
    store.write("log", b"0123456789")
    get = store._client.get_object
    monkeypatch.setattr(
        store._client, "get_object", lambda **request: get(Bucket=request["Bucket"], Key=request["Key"])
    )
    assert store.read("log", 3, 4) == b"3456" and store.read("log", 8) == b"89"


def test_no_secret_is_in_an_error(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-print-me")
    with pytest.raises(NotFoundError) as raised:
        open_store("s3://no-such-bucket").read("x")
    assert "do-not-print-me" not in str(raised.value)
