"""An upload counts only when all of it is proven, and nothing is sent twice."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from meddler import FILES, Meddler, failing

from facejobs.errors import ExitCode
from facejobs.storage.errors import (
    AccessError,
    NotFoundError,
    StorageError,
    UnreachableError,
    UploadError,
)
from facejobs.storage.folder_sync import download_folder, upload_folder
from facejobs.storage.manifest import MANIFEST, Manifest
from facejobs.storage.opening import open_store
from facejobs.storage.store import FileDigest, ObjectStore


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
