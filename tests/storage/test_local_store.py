"""A directory as a store: links, half-written files, names that are taken by folders, rights, a full disk."""

import errno
import os
from pathlib import Path

import pytest

from facejobs.storage.errors import AccessError, StorageError
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.local import LocalStore


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_links_that_lead_out_are_neither_listed_nor_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    (root / "inside" / "file").write_bytes(b"file")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "secret")
    (root / "near").symlink_to(root / "inside" / "file")
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    store = LocalStore(root)
    assert [info.key for info in store.list()] == ["inside/file", "near"]
    assert store.folders() == ["inside"]
    assert store.read("near") == b"file"
    for key in ("folder/secret", "file"):
        with pytest.raises(StorageError, match=r"leads? out of"):
            store.read(key)
    with pytest.raises(StorageError, match="leads out of"):
        store.write("folder/new", b"")
    assert names_in(tmp_path / "outside") == ["secret"]


def test_links_are_followed_for_a_reader_who_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (tmp_path / "outside" / "deep" / "file").write_bytes(b"file")
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "again").symlink_to(tmp_path / "outside" / "deep")
    (root / "file").symlink_to(tmp_path / "outside" / "deep" / "file")
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    (root / "itself").symlink_to(root / "itself")
    store = LocalStore(root, follow_links=True)
    assert [info.key for info in store.list()] == ["again/file", "file", "folder/deep/file"]
    assert [info.key for info in store.below("folder").list()] == ["deep/file"]
    assert [info.key for info in LocalStore(root).list()] == []
    assert store.folders() == ["again", "folder"]
    assert store.read("folder/deep/file") == store.read("file") == b"file"
    assert store.stat("itself") is None and LocalStore(root).stat("itself") is None


@pytest.mark.parametrize("place", ["root", "root/sub", "other", "."])
def test_links_in_a_circle_end(tmp_path: Path, place: str) -> None:
    for folder in ("root/sub", "other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_bytes(b"")
    (tmp_path / "root" / "sub" / "out").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / place)
    keys = [info.key for info in LocalStore(tmp_path / "root", follow_links=True).list()]
    assert keys == ["sub/file", "sub/out/file"]


def test_writing_over_a_link_replaces_the_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"keep")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    LocalStore(tmp_path / "root").write("link", b"new")
    assert (tmp_path / "outside").read_bytes() == b"keep"
    assert (tmp_path / "root" / "link").read_bytes() == b"new"


def test_a_dangling_link_counts_as_taken(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert not LocalStore(tmp_path).write_if_absent("link", b"x")


def test_files_being_written_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY}ab").write_bytes(b"half")
    (tmp_path / f"{TEMPORARY}cd").mkdir()
    (tmp_path / f"{TEMPORARY}cd" / "x").write_bytes(b"half")
    assert list(LocalStore(tmp_path).list()) == [] and LocalStore(tmp_path).folders() == []


def test_pipes_and_sockets_are_not_listed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert list(LocalStore(tmp_path).list()) == []


def test_a_name_that_a_folder_or_a_file_has_is_explained(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("folder/file", b"")
    with pytest.raises(StorageError, match="a folder has this name"):
        store.write("folder", b"")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        store.write("folder/file/below", b"")
    assert not store.write_if_absent("folder", b"")
    assert [info.key for info in store.list()] == ["folder/file"]


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    store.write("status.json", b"old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    for act in (store.write, store.write_if_absent):
        key = "status.json" if act == store.write else "new"
        with pytest.raises(OSError, match="No space left") as caught:
            act(key, b"new")
        assert caught.value.filename == str(tmp_path / key)
    assert names_in(tmp_path) == ["status.json"]
    assert store.read("status.json") == b"old"


def test_a_file_system_without_hard_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="no hard links"):
        LocalStore(tmp_path).write_if_absent("V0001", b"")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("call", ["open", "scandir"])
def test_missing_rights_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    store = LocalStore(tmp_path)
    store.write("a/b", b"")

    def refuse(*arguments: object, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(arguments[0]))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(AccessError):
        list(store.list()) if call == "scandir" else store.write("c", b"")


def test_a_folder_that_vanishes_while_written_to_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Path.mkdir, []

    def vanishing(path: Path, *arguments: object, **options: object) -> None:
        real(path, *arguments, **options)  # type: ignore[arg-type]
        if not calls:
            path.rmdir()
        calls.append(path)

    monkeypatch.setattr(Path, "mkdir", vanishing)
    LocalStore(tmp_path).write("a/b", b"x")
    assert (tmp_path / "a" / "b").read_bytes() == b"x" and len(calls) == 2


def test_a_written_file_has_the_rights_that_the_user_chose(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        LocalStore(tmp_path).write("file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
