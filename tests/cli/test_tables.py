"""Durations, sizes and cells as people read them."""

import pytest

from facejobs.cli.tables import byte_count, duration, print_facts, print_table, printable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-1, "0s"), (0.4, "0s"), (59.6, "1m00s"), (750, "12m30s"), (11100, "3h05m"), (198000, "2d07h")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (5 << 50, "5120.0 TiB")]
)
def test_sizes(size: int, text: str) -> None:
    assert byte_count(size) == text


def test_control_characters_are_shown() -> None:
    assert printable("a\x1b[2J\nb\u202e\x00é") == "a\\x1b[2J\\nb\\u202e\\x00é"


def test_a_table_in_a_pipe_is_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "LONG"), [("x" * 100, "y\tz"), ("1", "")])
    assert capsys.readouterr().out == f"{'A':<100}  LONG\n{'x' * 100}  y\\tz\n1\n"


def test_facts(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts("empty", [])
    print_facts("title", [("a", "1"), ("long", "")])
    assert capsys.readouterr().out == "\ntitle\n  a     1\n  long\n"
