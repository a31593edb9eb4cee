"""facejobs data synth, as typed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facejobs.cli.main import app
from facejobs.data.errors import OutputExistsError
from facejobs.errors import ExitCode, FacejobsError

SMALL = ["--identities", "2", "--images", "1", "--verification-identities", "20", "--verification-images", "2"]
SMALL += ["--pairs", "20", "--photographs", "1"]


def test_draws_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    result = CliRunner().invoke(app, ["data", "synth", str(tmp_path / "faces"), *SMALL])
    assert result.exit_code == 0, result.output
    assert "2 training faces of 2 people, 20 verification pairs of 20 other people, 1 photograph" in result.output
    made = {path.name for path in (tmp_path / "faces").iterdir()}
    assert made == {"recognition_train_data", "verification", "photographs"}


def test_refuses_an_existing_folder(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    result = CliRunner().invoke(app, ["data", "synth", str(tmp_path), *SMALL])
    assert isinstance(result.exception, OutputExistsError)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(("option", "value"), [("--identities", "1"), ("--pairs", "7"), ("--seed", "-1")])
def test_numbers_out_of_range_are_usage_errors(tmp_path: Path, option: str, value: str) -> None:
    result = CliRunner().invoke(app, ["data", "synth", str(tmp_path / "faces"), option, value])
    assert isinstance(result.exception, FacejobsError)
    assert result.exception.exit_code == ExitCode.USAGE
    assert f"{option} is {value}" in str(result.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("send", "number"),
    [(os.kill, signal.SIGTERM), (os.killpg, signal.SIGTERM), (os.kill, signal.SIGKILL)],
    ids=["SIGTERM", "SIGTERM to the group", "SIGKILL"],
)
def test_a_signal_leaves_no_process_and_sigterm_no_file(
    tmp_path: Path, send: Callable[[int, int], None], number: signal.Signals
) -> None:
    # As many cores as it takes for several processes, whatever the machine has.
    several = "import os, sys; os.sched_getaffinity = lambda _: {0, 1}; from facejobs.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", several, "data", "synth", tmp_path / "faces"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not any(path.stat().st_size for path in tmp_path.glob(".faces.partial-*/recognition_train_data/*.rec")):
        assert process.poll() is None
        time.sleep(0.05)
    send(process.pid, number)
    # The output ends when the last process that holds it has ended, not only the first one.
    printed, _ = process.communicate(timeout=20)
    if number is signal.SIGTERM:
        assert (process.returncode, printed) == (128 + signal.SIGTERM, "")
        assert not list(tmp_path.iterdir())
    else:
        assert process.returncode == -signal.SIGKILL


def test_draws_photographs_for_a_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    counts = ["--identities", "1", "--images", "1", "--query-images", "1", "--strangers", "1", "--photographs", "0"]
    result = CliRunner().invoke(app, ["data", "synth", str(tmp_path / "faces"), "--task", "gallery", *counts])
    assert result.exit_code == 0, result.output
    assert "1 people, 1 photographs of each to enrol and 1 to query, 1 strangers" in result.output
    drawn = sorted(str(path.relative_to(tmp_path / "faces")) for path in (tmp_path / "faces").rglob("*.jpg"))
    assert drawn == ["enrol/person-01/001.jpg", "query/person-01/001.jpg", "query/unknown/001.jpg"]


@pytest.mark.parametrize(
    "options",
    [
        ["--strangers", "5"],
        ["--query-images", "5", "--task", "detection"],
        ["--identities", "5", "--task", "detection"],
        ["--pairs", "20", "--task", "gallery"],
        ["--val-photographs", "5", "--task", "gallery"],
    ],
)
def test_a_count_of_something_else_is_a_usage_error(tmp_path: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["data", "synth", str(tmp_path / "faces"), *options])
    assert result.exit_code == ExitCode.USAGE
    assert "draws nothing" in result.output and options[0] in result.output
    assert not list(tmp_path.iterdir())
