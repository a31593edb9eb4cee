"""The filter of secrets, whatever pieces a log arrives in."""

import os
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.jobs.boot.task_log import SecretFilter, TaskLog

SECRET = "tell-nobody"


def logged(tmp_path: Path, pieces: list[bytes], *secrets: str) -> bytes:
    """What arrives in the log file when a command writes these pieces, one after the other."""
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    log = TaskLog(path, "heading", SecretFilter(secrets), os.open(os.devnull, os.O_WRONLY))
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as stream:
        pump = Thread(target=log.pump, args=(stream,))
        pump.start()
        for piece in pieces:
            os.write(writer, piece)
        os.close(writer)
        pump.join()
    log.close()
    return path.read_bytes().removeprefix(b"heading\n")


@settings(max_examples=60, deadline=None)
@given(
    before=st.binary(max_size=20), after=st.binary(max_size=20), cut=st.integers(0, len(SECRET)), end=st.booleans()
)  # fmt: skip
def test_a_secret_is_hidden_wherever_its_line_is_cut(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes, cut: int, end: bool
) -> None:
    line = before + SECRET.encode()
    text = logged(
        tmp_path_factory.getbasetemp(),
        [line[: len(before) + cut], line[len(before) + cut :] + after + b"\n" * end],
        SECRET,
    )
    assert SECRET.encode() not in text
    assert text.rstrip(b"\n") == (before + b"***" + after).rstrip(b"\n")


def test_a_line_without_end_is_logged_and_still_filtered(tmp_path: Path) -> None:
    pieces = [b"x" * 60_000, b"y" * 10_000 + SECRET[:5].encode(), SECRET[5:].encode(), b"z" * 70_000]
    text = logged(tmp_path, pieces, SECRET)
    assert text == b"x" * 60_000 + b"y" * 10_000 + b"***" + b"z" * 70_000 + b"\n"


def test_the_longer_of_two_secrets_is_hidden_whole(tmp_path: Path) -> None:
    assert logged(tmp_path, [b"tell-nobody-else\ntell-nobody\n"], SECRET, "tell-nobody-else") == b"***\n***\n"


def test_a_secret_of_several_lines_is_hidden_line_by_line(tmp_path: Path) -> None:
    text = logged(tmp_path, [b"BEGIN\nabcdef\nghijkl\nEND\n", b"only ghijkl\n"], "abcdef\nghijkl\n")
    assert text == b"BEGIN\n***\n***\nEND\nonly ***\n"


def test_without_secrets_every_byte_passes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10
    assert logged(tmp_path, [data]) == data + b"\n"
