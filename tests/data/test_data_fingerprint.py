"""The fingerprint of a data set follows its content, not where it lies."""

from pathlib import Path

from facejobs.data.fingerprint import fingerprint


def write(folder: Path, records: bytes, index: bytes = b"0\t0\n") -> Path:
    folder.mkdir()
    (folder / "cele.rec").write_bytes(records)
    (folder / "cele.idx").write_bytes(index)
    (folder / "property").write_text("2,112,112\n")
    return folder / "cele.rec"


def test_it_is_of_the_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 300
    first = fingerprint(write(tmp_path / "a", content))
    assert fingerprint(write(tmp_path / "b", content)) == first
    assert fingerprint(write(tmp_path / "c", content[:-1] + b"x")) != first
    assert fingerprint(write(tmp_path / "d", content, b"0\t8\n")) != first


def test_records_behind_a_link_are_those_records(tmp_path: Path) -> None:
    original = write(tmp_path / "a", b"x" * 100)
    linked = write(tmp_path / "b", b"")
    linked.unlink()
    linked.symlink_to(original)
    assert fingerprint(linked) == fingerprint(original)
