"""Checkpoints in storage are whole or absent, and the newest one that proves whole is fetched."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from facejobs.storage.checkpoint_sync import (
    fetch_state,
    read_contents,
    remove_checkpoints,
    send_checkpoint,
    steps_here,
    steps_there,
)
from facejobs.storage.errors import CorruptError, DownloadError
from facejobs.storage.local import LocalStore


def nothing() -> None:
    """No journal."""


def checkpoint(output: Path, step: int, content: bytes = b"") -> Path:
    folder = output / "checkpoints" / f"step-{step:08d}"
    folder.mkdir(parents=True)
    files = {"arrays.npz": content or b"arrays of %d" % step, "state.json": b"{}"}
    manifest = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def uploaded(tmp_path: Path, store: LocalStore) -> Path:
    """A run whose steps 10, 20 and 30 are in storage; 10 is the best."""
    run = tmp_path / "run"
    for step in (10, 20, 30):
        send_checkpoint(checkpoint(run, step), store, nothing)
    store.write("checkpoints/best.json", b'{"step": 10}')
    store.write("params.json", b"{}")
    store.write("metrics.jsonl", b'{"step": 30}\n')
    return run


def test_an_empty_folder_gets_the_newest_and_the_best(tmp_path: Path, store: LocalStore, uploaded: Path) -> None:
    assert fetch_state(store, tmp_path / "new") == 30
    assert list(steps_here(tmp_path / "new")) == [10, 30]
    for name in ("checkpoints/step-00000030/arrays.npz", "checkpoints/step-00000010/state.json"):
        assert (tmp_path / "new" / name).read_bytes() == (uploaded / name).read_bytes()
    assert (tmp_path / "new/checkpoints/best.json").exists() and (tmp_path / "new/params.json").exists()
    assert (tmp_path / "new/metrics.jsonl").read_bytes() == b'{"step": 30}\n'
    assert not list((tmp_path / "new" / "checkpoints").glob(".*"))


def test_what_is_as_new_here_is_left_alone(tmp_path: Path, store: LocalStore, uploaded: Path) -> None:
    checkpoint(tmp_path / "new", 30, b"ours")
    assert fetch_state(store, tmp_path / "new") == 30
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["checkpoints"]
    assert (tmp_path / "new/checkpoints/step-00000030/arrays.npz").read_bytes() == b"ours"


def test_nothing_there_is_a_new_run(tmp_path: Path, store: LocalStore) -> None:
    assert fetch_state(store, tmp_path / "new") is None


@pytest.mark.parametrize("damage", ["changed", "cut", "file missing", "manifest torn", "manifest missing"])
def test_a_damaged_newest_is_passed_over(tmp_path: Path, store: LocalStore, uploaded: Path, damage: str) -> None:
    folder = tmp_path / "store/checkpoints/step-00000030"
    if damage == "changed":
        (folder / "arrays.npz").write_bytes(b"Arrays of 30")
    elif damage == "cut":
        (folder / "arrays.npz").write_bytes(b"")
    elif damage == "file missing":
        (folder / "arrays.npz").unlink()
    elif damage == "manifest torn":
        (folder / "manifest.json").write_bytes(b'{"arrays.npz"')
    else:
        (folder / "manifest.json").unlink()
    assert fetch_state(store, tmp_path / "new") == 20
    assert list(steps_here(tmp_path / "new")) == [10, 20]


def test_a_damaged_best_is_not_named(tmp_path: Path, store: LocalStore, uploaded: Path) -> None:
    (tmp_path / "store/checkpoints/step-00000010/arrays.npz").write_bytes(b"?")
    assert fetch_state(store, tmp_path / "new") == 30
    assert not (tmp_path / "new/checkpoints/best.json").exists()


def test_starting_over_is_never_silent(tmp_path: Path, store: LocalStore, uploaded: Path) -> None:
    for path in (tmp_path / "store").rglob("arrays.npz"):
        path.write_bytes(b"?")
    with pytest.raises(DownloadError, match=r"no checkpoint in .* can be used"):
        fetch_state(store, tmp_path / "new")


@pytest.mark.parametrize("name", ["../escaped", "/etc/passwd", "a/b", "manifest.json", "..", "a\\b"])
def test_a_manifest_may_not_name_files_elsewhere(tmp_path: Path, store: LocalStore, name: str) -> None:
    manifest = json.dumps({name: {"bytes": 1, "sha256": "0" * 64}}).encode()
    with pytest.raises(CorruptError, match="outside the checkpoint"):
        read_contents(manifest, "manifest.json")
    store.write("checkpoints/step-00000001/manifest.json", manifest)
    with pytest.raises(DownloadError):
        fetch_state(store, tmp_path / "new")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b'{"a": 1}', b'{"a": {"bytes": "x", "sha256": ""}}', b"\xff"])
def test_a_manifest_that_is_none_is_said(manifest: bytes) -> None:
    with pytest.raises(CorruptError, match="the place is no manifest"):
        read_contents(manifest, "the place")


class Recorder(LocalStore):
    """Remembers the order of what is written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.order: list[str] = []

    def write(self, key: str, data: bytes) -> None:
        self.order.append(key.rpartition("/")[2])
        super().write(key, data)

    def upload(self, path: Path, key: str):  # type: ignore[no-untyped-def]
        self.order.append(key.rpartition("/")[2])
        return super().upload(path, key)


def test_the_manifest_goes_last_and_the_journal_before_it(tmp_path: Path) -> None:
    store = Recorder(tmp_path / "store")
    folder = checkpoint(tmp_path / "run", 10)
    assert send_checkpoint(folder, store, lambda: store.order.append("journal"))
    assert store.order == ["arrays.npz", "state.json", "journal", "manifest.json"]
    assert not send_checkpoint(folder, store, nothing)
    assert len(store.order) == 4


def test_a_folder_that_changed_under_way_never_looks_whole(tmp_path: Path, store: LocalStore) -> None:
    folder = checkpoint(tmp_path / "run", 10)
    (folder / "arrays.npz").write_bytes(b"something else")
    with pytest.raises(CorruptError):
        send_checkpoint(folder, store, nothing)
    assert steps_there(store) == {}


def test_another_checkpoint_of_the_same_step_replaces_it(tmp_path: Path, store: LocalStore) -> None:
    send_checkpoint(checkpoint(tmp_path / "one", 10), store, nothing)
    assert send_checkpoint(checkpoint(tmp_path / "two", 10, b"other arrays"), store, nothing)
    assert store.read("checkpoints/step-00000010/arrays.npz") == b"other arrays"
    assert fetch_state(store, tmp_path / "new") == 10


class DiesWhileDeleting(LocalStore):
    """Removes one object of each request, then the machine dies."""

    def delete(self, keys) -> None:  # type: ignore[no-untyped-def]
        keys = iter(keys)
        super().delete([next(keys)])
        raise KeyboardInterrupt


def test_a_removal_that_dies_leaves_nothing_that_looks_whole(tmp_path: Path, uploaded: Path) -> None:
    store = DiesWhileDeleting(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        remove_checkpoints(store, [30])
    for step, key in steps_there(store).items():
        names = {item.key.rpartition("/")[2] for item in store.list(key)}
        assert names == {"arrays.npz", "state.json", "manifest.json"}, step


def test_removal_keeps_what_it_should(tmp_path: Path, store: LocalStore, uploaded: Path) -> None:
    store.write("checkpoints/step-00000040/arrays.npz", b"never finished")
    remove_checkpoints(store, [30])
    assert list(steps_there(store)) == [30]
    assert {item.key for item in keys(store)} == {
        "checkpoints/best.json",
        *(f"checkpoints/step-00000030/{name}" for name in ("arrays.npz", "manifest.json", "state.json")),
    }


def keys(store: LocalStore) -> Iterator:
    return store.list("checkpoints")
