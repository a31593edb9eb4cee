"""Folders copied to a store and back: only what is proven counts, and nothing is sent or fetched twice."""

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facejobs.errors import ExitCode
from facejobs.storage.errors import (
    AccessError,
    CorruptError,
    DownloadError,
    NotFoundError,
    StorageError,
    UnreachableError,
    UploadError,
)
from facejobs.storage.folder_sync import download_folder, upload_folder
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.local_files import digest_file
from facejobs.storage.manifest import MANIFEST, Manifest, ManifestEntry
from facejobs.storage.opening import open_store
from facejobs.storage.store import FileDigest, ObjectStore

LARGE = (16 << 20) + 12345


class Meddler:
    """Passes everything on to a store and notes it; `before` may do harm first."""

    def __init__(self, store: ObjectStore, before: Callable[[str, str], None] = lambda action, key: None) -> None:
        self._store = store
        self._before = before
        self._lock = threading.Lock()
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, action: str) -> object:
        found = getattr(self._store, action)
        if not callable(found) or action == "url_of":
            return found

        def call(*arguments: object) -> object:
            key = str(arguments[-1] if action == "upload" else arguments[0] if arguments else "")
            with self._lock:
                self.calls.append((action, key))
            self._before(action, key)
            return found(*arguments)

        return call

    def keys(self, action: str) -> list[str]:
        return sorted(key for name, key in self.calls if name == action)


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    url = str(tmp_path / "store") if request.param == "disk" else request.getfixturevalue("bucket_url") + "/deep/folder"
    return open_store(url)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


FILES = {
    "model/model.onnx": bytes(range(256)) * 10,
    "model/model.json": b"{}",
    "metrics.jsonl": b"",
    "a name with % and +": b"x",
    "ü/日本": b"names",
    "checkpoints/step-1/weights": b"w" * 5000,
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failing(number: str, error: Exception) -> Callable[[str, str], None]:
    def before(action: str, key: str) -> None:
        if action in ("upload", "download") and number in key:
            raise error

    return before


def test_there_and_back(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    sent = upload_folder(source, store)
    assert {name: entry.size for name, entry in sent.files.items()} == {name: len(data) for name, data in FILES.items()}
    assert Manifest.from_json(store.read(MANIFEST), "there") == sent
    assert download_folder(store, tmp_path / "back", manifest_key=MANIFEST) == sent
    assert contents(tmp_path / "back") == FILES
    listed = download_folder(store, tmp_path / "listed")
    assert contents(tmp_path / "listed") == {**FILES, MANIFEST: store.read(MANIFEST)}
    assert set(listed.files) == {*FILES, MANIFEST}


@pytest.mark.parametrize("verify", ["listing", "read_back"])
def test_a_large_file_and_the_digest_of_its_parts(
    store: ObjectStore, tmp_path: Path, verify: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "large").write_bytes(os.urandom(LARGE))
    sent = upload_folder(tmp_path / "source", store, verify=verify)  # type: ignore[arg-type]
    digest = digest_file(tmp_path / "source" / "large")
    assert sent.files["large"] == ManifestEntry(LARGE, digest.sha256)
    info = store.stat("large")
    assert info is not None and info.etag in (None, digest.etag)
    again = Meddler(store)
    assert upload_folder(tmp_path / "source", again) == sent  # type: ignore[arg-type]
    assert again.keys("upload") == []
    download_folder(store, tmp_path / "back", manifest_key=MANIFEST)
    assert digest_file(tmp_path / "back" / "large") == digest


def test_what_is_there_is_not_sent_again(store: ObjectStore, source: Path) -> None:
    sent = upload_folder(source, store)
    (source / "model/model.json").write_bytes(b"[]")
    (source / "new").write_bytes(b"new")
    again = Meddler(store)
    manifest = upload_folder(source, again)  # type: ignore[arg-type]
    assert again.keys("upload") == ["model/model.json", "new"]
    changed = {name for name in manifest.files if manifest.files[name] != sent.files.get(name)}
    assert changed == {"model/model.json", "new"}
    assert store.read("model/model.json") == b"[]"


def test_an_interrupted_upload_goes_on_where_it_was(store: ObjectStore, source: Path) -> None:
    broken = Meddler(store, failing("weights", StorageError("no luck")))
    with pytest.raises(UploadError, match="checkpoints/step-1/weights: no luck"):
        upload_folder(source, broken)  # type: ignore[arg-type]
    assert store.stat(MANIFEST) is None
    again = Meddler(store)
    upload_folder(source, again)  # type: ignore[arg-type]
    assert again.keys("upload") == ["checkpoints/step-1/weights"]
    assert again.keys("write") == [MANIFEST]


def test_what_is_here_is_not_fetched_again(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    upload_folder(source, store)
    for key in (MANIFEST, None):
        download_folder(store, tmp_path / "back", manifest_key=key)
        (tmp_path / "back/model/model.json").write_bytes(b"[]")
        (tmp_path / "back/metrics.jsonl").unlink()
        again = Meddler(store)
        download_folder(again, tmp_path / "back", manifest_key=key)  # type: ignore[arg-type]
        assert again.keys("download") == ["metrics.jsonl", "model/model.json"]
        assert FILES.items() <= contents(tmp_path / "back").items()


def test_only_what_is_included(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    sent = upload_folder(source, store, include=lambda name: name.startswith("model/"))
    assert set(sent.files) == {"model/model.onnx", "model/model.json"} == {item.key for item in store.list("model")}
    got = download_folder(store, tmp_path / "back", include=lambda name: name.endswith(".onnx"))
    assert set(got.files) == {"model/model.onnx"} == set(contents(tmp_path / "back"))


def test_an_empty_folder(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    assert upload_folder(tmp_path / "source", store).files == {}
    assert download_folder(store, tmp_path / "back", manifest_key=MANIFEST).files == {}
    assert (tmp_path / "back").is_dir()


def test_without_a_manifest_key_none_is_written(store: ObjectStore, source: Path) -> None:
    upload_folder(source, store, manifest_key=None)
    assert {item.key for item in store.list()} == set(FILES)


def test_what_is_there_besides_stays(store: ObjectStore, source: Path) -> None:
    store.write("logs/task-0.log", b"log")
    upload_folder(source, store)
    assert store.read("logs/task-0.log") == b"log"


@pytest.mark.parametrize("verify", ["listing", "read_back"])
def test_an_object_corrupted_before_the_verification(store: ObjectStore, source: Path, verify: str) -> None:
    def spoil(action: str, key: str) -> None:
        # The second listing is the one that verifies.
        if action == "list" and sum(name == "list" for name, _ in meddler.calls) == 2:
            store.write("model/model.onnx", bytes(reversed(FILES["model/model.onnx"])))

    meddler = Meddler(store, spoil)
    with pytest.raises(UploadError, match=r"1 of 6 files.*\n  model/model.onnx: ") as caught:
        upload_folder(source, meddler, verify=verify)  # type: ignore[arg-type]
    assert caught.value.exit_code == ExitCode.UPLOAD_FAILED
    assert store.stat(MANIFEST) is None


def test_reading_back_finds_what_a_listing_hides(store: ObjectStore, source: Path) -> None:
    class Liar(Meddler):
        def read(self, key: str, *where: int) -> bytes:
            return store.read(key, *where).replace(b"w", b"v", 1)

    with pytest.raises(UploadError, match="checkpoints/step-1/weights: reading it back gave other content"):
        upload_folder(source, Liar(store), verify="read_back")  # type: ignore[arg-type]
    assert store.stat(MANIFEST) is None


@pytest.mark.parametrize("verify", ["listing", "read_back"])
def test_objects_deleted_or_shortened_before_the_verification(store: ObjectStore, source: Path, verify: str) -> None:
    def spoil(action: str, key: str) -> None:
        if action == "list" and sum(name == "list" for name, _ in meddler.calls) == 2:
            store.delete(["metrics.jsonl"])
            store.write("model/model.json", b"{")

    meddler = Meddler(store, spoil)
    with pytest.raises(UploadError) as caught:
        upload_folder(source, meddler, verify=verify)  # type: ignore[arg-type]
    assert "metrics.jsonl: it was sent, and is not there" in str(caught.value)
    assert "model/model.json: 2 bytes were sent, 1 are there" in str(caught.value)


def test_a_failed_upload_over_an_old_one_leaves_no_manifest(store: ObjectStore, source: Path) -> None:
    upload_folder(source, store)
    (source / "model/model.json").write_bytes(b"[]")
    (source / "model/model.onnx").write_bytes(b"new")
    with pytest.raises(UploadError):
        upload_folder(source, Meddler(store, failing("onnx", StorageError("no"))))  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="not wholly"):
        download_folder(store, source / "back", manifest_key=MANIFEST)


def test_a_failed_addition_leaves_the_old_manifest(store: ObjectStore, source: Path) -> None:
    sent = upload_folder(source, store)
    (source / "new").write_bytes(b"new")
    with pytest.raises(UploadError):
        upload_folder(source, Meddler(store, failing("new", StorageError("no"))))  # type: ignore[arg-type]
    assert Manifest.from_json(store.read(MANIFEST), "there") == sent


def test_a_file_that_changes_or_vanishes_under_way_is_named(store: ObjectStore, source: Path) -> None:
    def disturb(action: str, key: str) -> None:
        if action == "upload" and key == "model/model.onnx":
            (source / key).write_bytes(b"other")
        if action == "upload" and key == "model/model.json":
            (source / key).unlink()

    with pytest.raises(UploadError) as caught:
        upload_folder(source, Meddler(store, disturb))  # type: ignore[arg-type]
    assert "model.onnx changed while it was read" in str(caught.value)
    assert "model.json vanished while it was read" in str(caught.value)
    assert "weights" not in str(caught.value) and store.stat("checkpoints/step-1/weights") is not None


@pytest.mark.parametrize("error", [AccessError("denied"), UnreachableError("gone")])
def test_what_would_fail_for_all_ends_early(tmp_path: Path, error: Exception) -> None:
    for number in range(300):
        (tmp_path / f"{number:03}").write_bytes(b"x")
    meddler = Meddler(open_store(tmp_path.with_name("to")), failing("", error))
    with pytest.raises(UploadError, match=f"of 300 files.*(\n  ...: {error}){{5}}\n  and "):
        upload_folder(tmp_path, meddler)  # type: ignore[arg-type]
    assert len(meddler.keys("upload")) < 60


def test_the_name_of_the_manifest_is_kept(store: ObjectStore, source: Path) -> None:
    (source / MANIFEST).write_bytes(b"mine")
    with pytest.raises(StorageError, match=r"outputs\.json: this name is kept"):
        upload_folder(source, store)


def test_links_that_lead_out_are_refused(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    (source / "inside").symlink_to("model/model.json")
    assert upload_folder(source, store).files["inside"].size == 2
    (tmp_path / "secret").write_bytes(b"secret")
    for target, words in [
        (tmp_path / "secret", "leads out"),
        (source / "model", "a link to a folder"),
        (source / "nowhere", "leads nowhere"),
        (Path("loop"), "loop"),
    ]:
        (source / "loop").symlink_to(target)
        with pytest.raises((StorageError, OSError), match=words):
            upload_folder(source, store)
        (source / "loop").unlink()
    assert store.stat("loop") is None


def test_what_is_no_file_is_refused(store: ObjectStore, source: Path) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(StorageError, match="pipe is neither a file nor a folder"):
        upload_folder(source, store)


def test_a_name_that_no_store_takes_is_refused(store: ObjectStore, source: Path) -> None:
    (source / "back\\slash").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot be uploaded.*rename it"):
        upload_folder(source, store)


def test_no_folder(store: ObjectStore, source: Path) -> None:
    with pytest.raises(NotFoundError, match="is no folder"):
        upload_folder(source / "metrics.jsonl", store)
    with pytest.raises(NotFoundError, match="holds no files"):
        download_folder(store, source / "back")
    assert not (source / "back").exists()


def test_a_download_that_is_not_what_the_manifest_says_keeps_the_old_file(
    store: ObjectStore, source: Path, tmp_path: Path
) -> None:
    upload_folder(source, store)
    back = tmp_path / "back"
    (back / "model").mkdir(parents=True)
    (back / "model/model.onnx").write_bytes(b"old but whole")
    store.write("model/model.onnx", FILES["model/model.onnx"][:-1])
    store.write("model/model.json", b"[]")
    store.delete(["metrics.jsonl"])
    with pytest.raises(DownloadError, match="3 of 6 files") as caught:
        download_folder(store, back, manifest_key=MANIFEST)
    assert caught.value.exit_code == ExitCode.DOWNLOAD_FAILED
    assert len(re.findall(r"\n  model/model\.(onnx|json): .* is not what .* SHA-256 is", str(caught.value))) == 2
    assert "metrics.jsonl: " in str(caught.value)
    spared = {name: data for name, data in FILES.items() if "/model." not in name and name != "metrics.jsonl"}
    assert contents(back) == {**spared, "model/model.onnx": b"old but whole"}


def test_an_object_replaced_while_it_is_downloaded(bucket_url: str, source: Path, tmp_path: Path) -> None:
    store = open_store(bucket_url)
    upload_folder(source, store)

    def replace(action: str, key: str) -> None:
        if action == "download" and key == "model/model.json":
            store.write(key, b"[]")

    with pytest.raises(DownloadError, match=r"model/model\.json: it was replaced"):
        download_folder(Meddler(store, replace), tmp_path / "back")  # type: ignore[arg-type]
    assert "model/model.json" not in contents(tmp_path / "back")


def test_links_out_of_the_target_are_refused(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    upload_folder(source, store)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back/model").symlink_to(outside)
    (tmp_path / "back/metrics.jsonl").symlink_to(outside / "file")
    with pytest.raises(DownloadError, match=r"3 of 6 files.*(\n.*leads out.*){3}"):
        download_folder(store, tmp_path / "back", manifest_key=MANIFEST)
    assert list(outside.iterdir()) == []


def test_a_manifest_that_leads_out_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    store.write("x", b"x")
    for name in ("../x", "/x", "a\\\\..\\\\x"):
        store.write(
            MANIFEST, b'{"format": 1, "files": {"%s": {"size": 1, "sha256": "%s"}}}' % (name.encode(), b"0" * 64)
        )
        with pytest.raises(CorruptError, match="unsafe name"):
            download_folder(store, tmp_path / "back", manifest_key=MANIFEST)
    assert not (tmp_path / "back").exists()


def test_objects_that_cannot_be_files_together(bucket_url: str, tmp_path: Path) -> None:
    store = open_store(bucket_url)
    store.write("a", b"x")
    store.write("a/b", b"y")
    with pytest.raises(StorageError, match="both a file and a folder"):
        download_folder(store, tmp_path / "back")


def test_a_file_where_the_folder_belongs(store: ObjectStore, source: Path) -> None:
    upload_folder(source, store)
    for target in (source / "metrics.jsonl", source / "metrics.jsonl" / "sub"):
        with pytest.raises(StorageError, match=r"metrics\.jsonl.* is a file"):
            download_folder(store, target)
    with pytest.raises(UploadError, match=r"No such file or directory: /proc/x") as caught:
        upload_folder(source, open_store("/proc/x"))
    assert "vanished" not in str(caught.value)


def test_a_folder_where_a_file_belongs_is_named(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    upload_folder(source, store)
    (tmp_path / "back/metrics.jsonl/sub").mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"metrics\.jsonl: Is a directory"):
        download_folder(store, tmp_path / "back", manifest_key=MANIFEST)


def test_a_full_disk_is_an_os_error(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    upload_folder(source, store)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights")
    with pytest.raises(OSError, match="No space left") as caught:
        download_folder(Meddler(store, failing("weights", full)), tmp_path / "back")  # type: ignore[arg-type]
    assert caught.value.errno == errno.ENOSPC
    assert all(FILES[name] == data for name, data in contents(tmp_path / "back").items() if name != MANIFEST)


def test_what_a_dead_download_left_is_removed_but_not_a_live_ones(
    store: ObjectStore, source: Path, tmp_path: Path
) -> None:
    upload_folder(source, store)
    (tmp_path / "back/model").mkdir(parents=True)
    dead, live = tmp_path / f"back/model/{TEMPORARY}1", tmp_path / f"back/model/{TEMPORARY}2"
    dead.write_bytes(b"half")
    live.write_bytes(b"half")
    day_ago = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    os.utime(dead, (day_ago, day_ago))
    download_folder(store, tmp_path / "back", manifest_key=MANIFEST)
    assert not dead.exists() and live.exists()
    assert upload_folder(tmp_path / "back", store).files.keys() == FILES.keys()


def test_random_etags_of_encrypting_servers_still_verify(bucket_url: str, source: Path) -> None:
    """With keys of a key service an ETag is no MD5: what was sent is compared with what the server answered to it."""
    store = open_store(bucket_url)

    class Encrypting(Meddler):
        def list(self, prefix: str = "") -> Iterator[object]:
            for item in store.list(prefix):
                yield item._replace(etag=f"{hash(item.key):x}")

        def upload(self, path: Path, key: str) -> FileDigest:
            self.calls.append(("upload", key))
            return store.upload(path, key)._replace(etag=f"{hash(key):x}")

    for _ in range(2):
        encrypting = Encrypting(store)
        assert upload_folder(source, encrypting).files.keys() == FILES.keys()  # type: ignore[arg-type]
        assert encrypting.keys("upload") == sorted(FILES)
