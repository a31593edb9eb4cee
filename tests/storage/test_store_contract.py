"""What every store promises, asked of a directory and of a bucket."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facejobs.storage.errors import NotFoundError, StorageError
from facejobs.storage.etag import MULTIPART_THRESHOLD
from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore


@pytest.fixture(params=["directory", "bucket", "folder of a bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return open_store(tmp_path / "store")
    url = request.getfixturevalue("bucket_url")
    return open_store(url if request.param == "bucket" else f"{url}/some/folder")


def test_what_is_written_is_read(store: ObjectStore) -> None:
    store.write("a/b.json", b"first")
    store.write("a/b.json", b"second")
    assert store.read("a/b.json") == b"second"


def test_a_part_is_read_and_nothing_past_the_end(store: ObjectStore) -> None:
    store.write("log", b"0123456789")
    assert store.read("log", 4) == b"456789"
    assert store.read("log", 4, 3) == b"456"
    assert store.read("log", 8, 100) == b"89"
    assert store.read("log", 10) == b""
    assert store.read("log", 25, 3) == b""
    assert store.read("log", 3, 0) == b""


def test_an_empty_object_is_an_object(store: ObjectStore, tmp_path: Path) -> None:
    store.write("empty", b"")
    assert store.read("empty") == b"" and store.read("empty", 5) == b""
    assert store.download("empty", tmp_path / "empty").size == 0
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_listing_is_recursive_ascending_and_relative(store: ObjectStore) -> None:
    keys = ["a-b", "a.b", "a/b", "a/c/d é+%20", "z"]
    for key in reversed(keys):
        store.write(key, key.encode())
    assert [info.key for info in store.list()] == sorted(keys)
    assert [info.key for info in store.list("a")] == ["a/b", "a/c/d é+%20"]
    assert [info.key for info in store.list("a/", recursive=False)] == ["a/b"]
    assert [info.key for info in store.list(recursive=False)] == ["a-b", "a.b", "z"]
    assert list(store.list("b")) == []
    for info in store.list():
        assert info.size == len(info.key.encode()) and info.modified.tzinfo is UTC
        assert abs((datetime.now(UTC) - info.modified).total_seconds()) < 60


def test_folders_are_the_immediate_ones(store: ObjectStore) -> None:
    for key in ("jobs/b/V0001/x", "jobs/a/V0002/x", "jobs/file", "jobs-2/x"):
        store.write(key, b"")
    assert store.folders() == ["jobs", "jobs-2"]
    assert store.folders("jobs") == ["a", "b"]
    assert store.folders("jobs/a/") == ["V0002"]
    assert store.folders("nothing") == []


def test_what_is_absent_is_said_to_be(store: ObjectStore, tmp_path: Path) -> None:
    store.write("folder/file", b"")
    for key in ("none", "folder", "folder/file/below"):
        assert store.stat(key) is None
        with pytest.raises(NotFoundError, match=key):
            store.read(key)
        with pytest.raises(NotFoundError, match=key):
            store.download(key, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_stat_says_what_the_listing_says(store: ObjectStore) -> None:
    store.write("a/b", b"12345")
    (listed,) = store.list()
    found = store.stat("a/b")
    assert found is not None
    assert found[:3] == listed[:3] and abs((found.modified - listed.modified).total_seconds()) < 1


def test_one_of_many_writers_claims_a_name(store: ObjectStore) -> None:
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda number: store.write_if_absent("V0001/version.json", b"%d" % number), range(32)))
    assert won.count(True) == 1
    assert store.read("V0001/version.json") == b"%d" % won.index(True)
    assert [info.key for info in store.list()] == ["V0001/version.json"]


def test_deleting_takes_absent_keys_and_more_than_a_thousand(store: ObjectStore) -> None:
    store.write("keep/x", b"")
    store.write("gone/x", b"")
    store.delete(["gone/x", *(f"absent-{number}" for number in range(1001))])
    assert [info.key for info in store.list()] == ["keep/x"]
    assert store.folders() == ["keep"]


@pytest.mark.parametrize(
    "size", [0, 1, 70_000, MULTIPART_THRESHOLD, MULTIPART_THRESHOLD + 1, 2 * MULTIPART_THRESHOLD + 5]
)
def test_files_travel_both_ways_unchanged(store: ObjectStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "there").write_bytes(data)
    sent = store.upload(tmp_path / "there", "deep/er/file")
    came = store.download("deep/er/file", tmp_path / "new" / "folder" / "back")
    assert (tmp_path / "new" / "folder" / "back").read_bytes() == data
    assert sent == came
    assert sent[:2] == (size, hashlib.sha256(data).hexdigest())
    listed = store.stat("deep/er/file")
    assert listed is not None and (listed.size, listed.etag) == (size, sent.etag)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["back"]


def test_a_download_replaces_a_file_only_as_a_whole(store: ObjectStore, tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.write_bytes(b"good")
    with pytest.raises(NotFoundError):
        store.download("absent", target)
    assert target.read_bytes() == b"good"
    store.write("present", b"better")
    store.download("present", target)
    assert target.read_bytes() == b"better"


def test_a_file_that_is_not_there_is_the_systems_error(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        store.upload(tmp_path / "absent", "key")
    assert store.stat("key") is None


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "", "a\\b", "a\0b"])
def test_no_key_leaves_the_root(store: ObjectStore, tmp_path: Path, key: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for act in (
        lambda: store.read(key),
        lambda: store.stat(key),
        lambda: store.write(key, b""),
        lambda: store.write_if_absent(key, b""),
        lambda: store.delete([key]),
        lambda: store.upload(tmp_path / "file", key),
        lambda: store.download(key, tmp_path / "out"),
    ):
        with pytest.raises(StorageError, match="cannot be used as the name"):
            act()


def test_below_is_the_same_objects_from_nearer(store: ObjectStore) -> None:
    store.write("jobs/a/V0001/status.json", b"{}")
    version = store.below("jobs/a").below("V0001/")
    assert version.read("status.json") == b"{}"
    assert version.url == f"{store.url}/jobs/a/V0001"
    assert version.url_of("logs/x") == f"{store.url}/jobs/a/V0001/logs/x"
    assert store.below("").url == store.url
    with pytest.raises(StorageError):
        version.below("..")
