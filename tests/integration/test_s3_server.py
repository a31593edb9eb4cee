"""Against a real S3 server: what it refuses, what happens when it dies, and a network that spoils what passes."""

import hashlib
import os
import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flaky_proxy import Chooser, Fault, FlakyProxy
from seaweedfs import SeaweedFS

from facejobs.storage.doctor.checks import Outcome
from facejobs.storage.doctor.examination import examine
from facejobs.storage.errors import AccessError, CorruptError, NotFoundError, UnreachableError
from facejobs.storage.etag import MULTIPART_THRESHOLD
from facejobs.storage.opening import open_store
from facejobs.storage.s3 import S3Store
from facejobs.storage.s3_client import connect
from facejobs.storage.store import ObjectStore
from facejobs.storage.url import S3Location

LARGE = 2 * MULTIPART_THRESHOLD + 12_345  # bytes: three parts


@pytest.fixture
def bucket(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket, with the environment to use it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "S3_"))]:
        monkeypatch.delenv(name)
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{secrets.token_hex(6)}"
    seaweedfs.make_bucket(name)
    return name


def write_random(path: Path, size: int) -> str:
    data = random.Random(size).randbytes(size)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_the_doctor_finds_nothing_wrong_and_leaves_nothing(bucket: str, seaweedfs: SeaweedFS) -> None:
    assert {check.outcome for check in examine(f"s3://{bucket}")} == {Outcome.OK}
    assert "Contents" not in seaweedfs.client().list_objects_v2(Bucket=bucket)


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for act in (lambda store: store.read("x"), lambda store: store.stat("x"), lambda store: store.write("x", b"")):
        with pytest.raises(AccessError, match="AWS_SECRET_ACCESS_KEY"):
            act(open_store(f"s3://{bucket}"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
    with pytest.raises(AccessError, match="does not know this access key"):
        open_store(f"s3://{bucket}").stat("x")


def test_a_wrong_secret_is_said_for_a_large_file_too(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for size in (MULTIPART_THRESHOLD, LARGE):
        write_random(tmp_path / "file", size)
        with pytest.raises(AccessError, match="AWS_SECRET_ACCESS_KEY"):
            open_store(f"s3://{bucket}").upload(tmp_path / "file", "x")


def test_a_missing_bucket_is_named(bucket: str) -> None:
    for act in (lambda store: store.stat("x"), lambda store: list(store.list()), lambda store: store.read("x")):
        with pytest.raises(NotFoundError, match=r"bucket .*does not exist"):
            act(open_store("s3://no-such-bucket/folder"))


def test_one_of_many_processes_worth_of_clients_claims_a_name(bucket: str) -> None:
    stores = [open_store(f"s3://{bucket}") for _ in range(4)]
    with ThreadPoolExecutor(32) as threads:
        for name in ("V0001", "V0002", "V0003"):
            won = list(threads.map(lambda number: stores[number % 4].write_if_absent(name, b"%d" % number), range(32)))  # noqa: B023
            assert won.count(True) == 1
            assert stores[0].read(name) == b"%d" % won.index(True)


def test_a_listing_of_pages_is_whole_and_ascending(bucket: str) -> None:
    store = open_store(f"s3://{bucket}")
    keys = ["a-1", *(f"a/{number:04d}" for number in range(1010)), "a.x", "b/1"]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: store.write(key, b""), keys))
    assert [info.key for info in store.list()] == sorted(keys)
    store.delete(keys)
    assert list(store.list()) == []


def store_behind(proxy: FlakyProxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("S3_ENDPOINT", proxy.endpoint)
    return open_store(f"s3://{bucket}/through")


def killer_of(seaweedfs: SeaweedFS, method: str, request: int) -> tuple[threading.Event, Chooser]:
    """A proxy's chooser that kills the server when the n-th request of a method comes, and the event that it did."""
    killed = threading.Event()
    seen: list[str] = []

    def choose(came: str, path: str, number: int) -> Fault | None:
        seen.append(came)
        if seen.count(method) == request and not killed.is_set():
            killed.set()
            seaweedfs.kill()
        return None

    return killed, choose


def test_an_upload_outlives_the_death_of_the_server(
    bucket: str, seaweedfs: SeaweedFS, flaky_proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = write_random(tmp_path / "file", LARGE)
    store = store_behind(flaky_proxy, bucket, monkeypatch)
    killed, flaky_proxy.fault = killer_of(seaweedfs, "PUT", 2)
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(store.upload, tmp_path / "file", "model")
        assert killed.wait(30)
        time.sleep(0.5)
        assert not sending.done()
        seaweedfs.start()
        assert sending.result(timeout=90).sha256 == digest
    assert store.download("model", tmp_path / "back").sha256 == digest


def test_a_download_outlives_the_death_of_the_server(
    bucket: str, seaweedfs: SeaweedFS, flaky_proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = write_random(tmp_path / "file", LARGE)
    store = store_behind(flaky_proxy, bucket, monkeypatch)
    store.upload(tmp_path / "file", "model")
    killed, flaky_proxy.fault = killer_of(seaweedfs, "GET", 3)
    with ThreadPoolExecutor(1) as threads:
        fetching = threads.submit(store.download, "model", tmp_path / "new" / "back")
        assert killed.wait(30)
        time.sleep(0.5)
        assert not fetching.done() and not (tmp_path / "new" / "back").exists()
        seaweedfs.start()
        assert fetching.result(timeout=90).sha256 == digest
    assert hashlib.sha256((tmp_path / "new" / "back").read_bytes()).hexdigest() == digest
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["back"]


def test_a_server_that_stays_dead_is_an_error_and_no_file(
    bucket: str, seaweedfs: SeaweedFS, flaky_proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_random(tmp_path / "file", LARGE)
    (tmp_path / "good").write_bytes(b"good")
    monkeypatch.setenv("S3_ENDPOINT", flaky_proxy.endpoint)
    store = S3Store(connect(f"s3://{bucket}", patience=1.0), f"s3://{bucket}", S3Location(bucket, ""))
    store.upload(tmp_path / "file", "model")
    killed, flaky_proxy.fault = killer_of(seaweedfs, "GET", 3)
    try:
        with pytest.raises(UnreachableError, match=r"no answer from .*S3_ENDPOINT"):
            store.download("model", tmp_path / "good")
        assert killed.is_set()
        with pytest.raises(UnreachableError):
            store.upload(tmp_path / "file", "other")
    finally:
        seaweedfs.start()
    assert (tmp_path / "good").read_bytes() == b"good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "good"]
    assert store.stat("other") is None


def test_throttling_and_cut_lines_are_ridden_out(
    bucket: str, flaky_proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faults: list[Fault | None] = ["slow down", "cut before", "cut answer", "lose answer", None, None, None]
    dice = random.Random(7)
    flaky_proxy.fault = lambda method, path, number: dice.choice(faults)
    store = store_behind(flaky_proxy, bucket, monkeypatch)
    large = write_random(tmp_path / "large", LARGE)
    small = [write_random(tmp_path / f"{number}", 1000 + number) for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(lambda number: store.upload(tmp_path / f"{number}", f"{number}").sha256, range(20)))
        assert sent == small
        assert store.upload(tmp_path / "large", "large").sha256 == large
        assert store.write_if_absent("claimed", b"once") is True
        assert len(list(store.list())) == 22
        came = list(
            threads.map(lambda number: store.download(f"{number}", tmp_path / "b" / f"{number}").sha256, range(20))
        )
        assert came == small
        assert store.download("large", tmp_path / "b" / "large").sha256 == large
    assert {fault for _, _, fault in flaky_proxy.seen} == set(faults)
    assert hashlib.sha256((tmp_path / "b" / "large").read_bytes()).hexdigest() == large


def test_bytes_altered_on_the_way_up_are_sent_again(
    bucket: str, flaky_proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = store_behind(flaky_proxy, bucket, monkeypatch)
    spoiled: set[str] = set()

    def once(method: str, path: str, number: int) -> Fault | None:
        if method != "PUT" or path in spoiled:
            return None
        spoiled.add(path)
        return "other bytes"

    flaky_proxy.fault = once
    for name, size in (("small", 50_000), ("large", LARGE)):
        digest = write_random(tmp_path / name, size)
        assert store.upload(tmp_path / name, name).sha256 == digest
        assert store.download(name, tmp_path / "back").sha256 == digest
    assert len(spoiled) == 4
    flaky_proxy.fault = lambda method, path, number: "other bytes" if method == "PUT" else None
    with pytest.raises(CorruptError, match="other bytes than were sent"):
        store.upload(tmp_path / "small", "new")
    assert store.stat("new") is None


@pytest.mark.parametrize("fault", ["short body", "other bytes"])
@pytest.mark.parametrize("size", [50_000, LARGE])
def test_a_truncated_or_altered_object_is_never_taken(
    bucket: str, flaky_proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Fault, size: int
) -> None:
    store = store_behind(flaky_proxy, bucket, monkeypatch)
    write_random(tmp_path / "file", size)
    store.upload(tmp_path / "file", "model")
    (tmp_path / "good").write_bytes(b"good")
    flaky_proxy.fault = lambda method, path, number: fault if method == "GET" else None
    with pytest.raises(CorruptError, match=r"through/model"):
        store.download("model", tmp_path / "good")
    assert (tmp_path / "good").read_bytes() == b"good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "good"]


def test_an_object_deleted_under_way_is_said_to_be_gone(
    bucket: str, flaky_proxy: FlakyProxy, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = store_behind(flaky_proxy, bucket, monkeypatch)
    write_random(tmp_path / "file", LARGE)
    store.upload(tmp_path / "file", "model")
    gets = []

    def delete_after_two(method: str, path: str, number: int) -> Fault | None:
        gets.append(method)
        if gets.count("GET") == 3:
            seaweedfs.client().delete_object(Bucket=bucket, Key="through/model")
        return None

    flaky_proxy.fault = delete_after_two
    with pytest.raises(NotFoundError, match="no such object"):
        store.download("model", tmp_path / "new" / "model")
    assert list((tmp_path / "new").iterdir()) == []
