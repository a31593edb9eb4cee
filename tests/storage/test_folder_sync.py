"""Folders copied to a store and back are what they were."""

import os
from pathlib import Path

import pytest
from meddler import FILES, Meddler, contents

from facejobs.storage.errors import (
    NotFoundError,
)
from facejobs.storage.folder_sync import download_folder, upload_folder
from facejobs.storage.local_files import digest_file
from facejobs.storage.manifest import MANIFEST, Manifest, ManifestEntry
from facejobs.storage.store import ObjectStore

LARGE = (16 << 20) + 12345


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
    assert sent.files["large"] == ManifestEntry(LARGE, digest.sha256, digest.blake3)
    info = store.stat("large")
    assert info is not None and info.etag in (None, digest.etag)
    again = Meddler(store)
    assert upload_folder(tmp_path / "source", again) == sent  # type: ignore[arg-type]
    assert again.keys("upload") == []
    download_folder(store, tmp_path / "back", manifest_key=MANIFEST)
    assert digest_file(tmp_path / "back" / "large") == digest


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


def test_no_folder(store: ObjectStore, source: Path) -> None:
    with pytest.raises(NotFoundError, match="is no folder"):
        upload_folder(source / "metrics.jsonl", store)
    with pytest.raises(NotFoundError, match="holds no files"):
        download_folder(store, source / "back")
    assert not (source / "back").exists()
