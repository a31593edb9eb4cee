"""Each byte of each file of a gallery counts."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.gallery import generation
from facejobs.gallery.changes import changing
from facejobs.gallery.description import read_description
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery

Enrol = Callable[..., EnrolledImage]
Make = Callable[..., Gallery]
ROLES = ["embeddings", "rows", "people", "photographs", "pictures", "means"]


@pytest.fixture
def folder(enrol: Enrol, make_gallery: Make) -> Path:
    images = [enrol("Ann", picture=b"face"), enrol("Ann", 1), enrol("Bö")]
    gallery = make_gallery(images)
    with changing(gallery.folder) as change:
        change.set_calibration({"threshold": 0.25})
    return gallery.folder


def file_of(folder: Path, role: str) -> Path:
    return folder / next(path.name for path in folder.iterdir() if path.name.startswith(f"{role}-"))


@pytest.mark.parametrize("role", ["gallery.json", *ROLES])
def test_each_changed_byte_is_noticed(role: str, folder: Path) -> None:
    path = folder / role if role == "gallery.json" else file_of(folder, role)
    whole = path.read_bytes()
    # Of gallery.json, which is longest, some here and there.
    for place in range(0, len(whole), 7 if role == "gallery.json" else 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(GalleryError):
            Gallery.open(folder)
    path.write_bytes(whole)
    Gallery.open(folder).verify()


@pytest.mark.parametrize("role", ["gallery.json", *ROLES])
def test_a_cut_off_lengthened_or_missing_file_is_noticed_and_named(role: str, folder: Path) -> None:
    path = folder / role if role == "gallery.json" else file_of(folder, role)
    whole = path.read_bytes()
    for content in (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], whole + b"\n", whole * 2):
        path.write_bytes(content)
        with pytest.raises(GalleryError, match=str(path)):
            Gallery.open(folder)
    path.unlink()
    with pytest.raises(GalleryError, match=path.name):
        Gallery.open(folder)
    path.mkdir()
    with pytest.raises(GalleryError, match=path.name):
        Gallery.open(folder)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(GalleryError, match=f"{path}: not a file"):
        Gallery.open(folder)


@pytest.mark.parametrize("role", ["embeddings", "means", "pictures"])
def test_large_files_are_verified_on_request_and_before_a_change(
    role: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "_LARGE", 0)
    path = file_of(folder, role)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    gallery = Gallery.open(folder)
    with pytest.raises(GalleryError, match=path.name):
        gallery.verify()
    with pytest.raises(GalleryError, match=path.name), changing(folder) as change:
        change.remove("Ann")
    assert list(Gallery.open(folder).people) == ["Ann", "Bö"]


def sign(document: dict[str, Any]) -> bytes:
    """What somebody writes who knows how the checksum is made."""
    document.pop("checksum", None)
    checksum = blake3(json.dumps(document).encode()).hexdigest()
    return (json.dumps({**document, "checksum": checksum}, indent=2) + "\n").encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "has format_version 2, and this facejobs reads 1; use a newer one"),
        ({"format_version": 0}, "format_version: Input"),
        ({"images": 10**9}, "bytes long, the counts"),
        ({"images": 2}, "bytes long, the counts"),
        ({"embedding_size": 9}, "bytes long, the counts"),
        ({"embedding_size": 10**30}, "embedding_size"),
        ({"people": 10**30}, "2 lines, not 1"),
        ({"people": 1}, "2 lines, not 1"),
        ({"extra": 1}, "extra"),
        ({"calibration": 3}, "calibration"),
        ({"image_search": {"cells": 1, "probes": 1, "recall_at_1": 1, "queries": 1, "query_similarity": 1}}, "belong"),
        ({"files": {}}, "files lists no embeddings"),
        ({"files": {"embeddings": {"name": "../../x", "blake3": "0" * 64, "bytes": 1}}}, "name"),
    ],
)
def test_a_description_that_fits_nothing_is_told(changes: dict[str, Any], message: str, folder: Path) -> None:
    path = folder / "gallery.json"
    path.write_bytes(sign({**json.loads(path.read_bytes()), **changes}))
    with pytest.raises(GalleryError, match=message):
        Gallery.open(folder)


def test_a_row_of_nobody_is_told(folder: Path) -> None:
    document = json.loads((folder / "gallery.json").read_bytes())
    path = file_of(folder, "rows")
    content = b"\xff" + path.read_bytes()[1:]
    path.write_bytes(content)
    document["files"]["rows"]["blake3"] = blake3(content).hexdigest()
    (folder / "gallery.json").write_bytes(sign(document))
    with pytest.raises(GalleryError, match="not among the people"):
        Gallery.open(folder)


def test_an_edited_threshold_is_told(folder: Path) -> None:
    path = folder / "gallery.json"
    path.write_text(path.read_text().replace("0.25", "0.05"))
    with pytest.raises(GalleryError, match="edited by hand"):
        Gallery.open(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["files", "images"]), inner),
)


@settings(max_examples=40)
@given(content=st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | st.just(b"[" * 100_000))
def test_nothing_but_a_description_is_read_as_one(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "described"
    folder.mkdir(exist_ok=True)
    (folder / "gallery.json").write_bytes(content)
    with pytest.raises(GalleryError, match=r"gallery\.json"):
        read_description(folder)


def test_a_calibration_is_kept_as_it_is(folder: Path) -> None:
    calibration = {"a": 0.1 + 0.2, "b": [None, {"c": "Zoë"}], "d": -1e-300, "e": (1, 2)}
    with changing(folder) as change:
        change.set_calibration(calibration)
    kept = Gallery.open(folder).calibration
    assert kept == {**calibration, "e": [1, 2]}
    with changing(folder) as change:
        change.remove("Ann")
    assert Gallery.open(folder).calibration == kept
    for bad in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises(GalleryError, match="calibration"), changing(folder) as change:
            change.set_calibration(bad)
    with changing(folder) as change:
        change.set_calibration(None)
    assert Gallery.open(folder).calibration is None


def test_a_copy_elsewhere_is_the_same_gallery(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "a copy")
    gallery = Gallery.open(tmp_path / "a copy")
    gallery.verify()
    assert gallery.description == Gallery.open(folder).description
