"""A download takes only what is proven, leaves nothing half, and fetches nothing twice."""

import errno
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from meddler import FILES, Meddler, contents, failing

from facejobs.errors import ExitCode
from facejobs.storage.errors import (
    CorruptError,
    DownloadError,
    StorageError,
    UploadError,
)
from facejobs.storage.folder_sync import download_folder, upload_folder
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.manifest import MANIFEST, Manifest
from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore


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
    assert len(re.findall(r"\n  model/model\.(onnx|json): .* is not what .* BLAKE3 is", str(caught.value))) == 2
    assert "metrics.jsonl: " in str(caught.value)
    spared = {name: data for name, data in FILES.items() if "/model." not in name and name != "metrics.jsonl"}
    assert contents(back) == {**spared, "model/model.onnx": b"old but whole"}


def test_a_manifest_without_blake3_is_held_to_its_sha256(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    sent = upload_folder(source, store, manifest_key=None)
    old = {name: entry._replace(blake3=None) for name, entry in sent.files.items()}
    store.write(MANIFEST, Manifest(old).to_json())
    assert download_folder(store, tmp_path / "back", manifest_key=MANIFEST) == sent
    again = Meddler(store)
    download_folder(again, tmp_path / "back", manifest_key=MANIFEST)  # type: ignore[arg-type]
    assert again.keys("download") == []
    name = "model/model.json"
    store.write(MANIFEST, Manifest({**old, name: old[name]._replace(sha256="0" * 64)}).to_json())
    with pytest.raises(DownloadError, match=r"SHA-256 is .*, not 0000"):
        download_folder(store, tmp_path / "new", manifest_key=MANIFEST)


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
