"""jobs/run_face_recognition.sh: its arguments become those of `facejobs recognise`, with or without a results path."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from facejobs.jobs.spec import load_spec

JOBS = Path(__file__).resolve().parent.parent / "jobs"
SCRIPT = "run_face_recognition.sh"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the scripts, whose `facejobs` and `run_train.sh` say what they are told."""
    folder = tmp_path / "a repository"
    (folder / "jobs").mkdir(parents=True)
    for script in JOBS.glob("*.sh"):
        shutil.copy(script, folder / "jobs")
    program = folder / ".venv" / "bin" / "facejobs"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    program.chmod(0o755)
    (folder / "run_train.sh").write_text('printf "%s|%s|" "$FACEJOBS_INPUTS" "${DLS_TRAIN_URL-}"; printf "<%s>" "$@"\n')
    return folder


def run(repository: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(repository), **variables}
    return subprocess.run(
        ["sh", repository / "jobs" / SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("given", "results", "options"),
    [
        ((), "recognition-results", ""),
        (("my results",), "my results", ""),
        (("--draw", "--threshold", "0.4"), "recognition-results", "<--draw><--threshold><0.4>"),
        (("out", "--threshold=0.4", "--draw"), "out", "<--threshold=0.4><--draw>"),
        (("", "--draw"), "recognition-results", "<--draw>"),
    ],
)
def test_the_results_path_may_be_left_out(repository: Path, given: tuple[str, ...], results: str, options: str) -> None:
    done = run(repository, "my data", "db", "d", "r", *given)
    assert done.stdout == f"<recognise><my data><db><d><r><{results}>{options}", done.stderr


@pytest.mark.parametrize("count", range(4))
def test_too_few_arguments_show_the_usage(repository: Path, count: int) -> None:
    done = run(repository, *"abcd"[:count])
    assert done.returncode == 2 and "data_path db_path detect_model_path recognize_model_path" in done.stderr


def test_each_path_may_be_a_url(repository: Path) -> None:
    urls = [f"s3://bucket/{name}" for name in ("data", "db", "d", "r")]
    inputs, output, command = run(repository, *urls, "obs://bucket/out", "--draw").stdout.split("|")
    assert inputs == (
        '{"data": "s3://bucket/data", "gallery": "s3://bucket/db", "detector": "s3://bucket/d", '
        '"recogniser": "s3://bucket/r"}'
    )
    assert output == "obs://bucket/out"
    assert re.search(
        r"<(.+)/inputs/data><\1/inputs/gallery><\1/inputs/detector><\1/inputs/recogniser><\1/output><--draw>$", command
    )
    inputs, output, command = run(repository, "data", "s3://bucket/db", "d", "r").stdout.split("|")
    assert (inputs, output) == ('{"gallery": "s3://bucket/db"}', "")
    assert command.endswith("<d><r><recognition-results>")


def test_another_attempt_of_a_job_begins_anew_but_nothing_else_is_removed(repository: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "work" / "output", tmp_path / "mine"):
        place.mkdir(parents=True)
        (place / "results.jsonl").write_text("of before")
        assert run(repository, "a", "b", "c", "d", str(place), FACEJOBS_WORK=str(tmp_path / "work")).returncode == 0
    assert not any((tmp_path / "work" / "output").iterdir())
    assert (tmp_path / "mine" / "results.jsonl").exists()


def test_the_job_spec_names_the_paths_in_the_order_of_the_script() -> None:
    spec = load_spec(JOBS / "recognise.yaml")
    assert (spec.name, list(spec.inputs)) == ("recognise", ["data", "gallery", "detector", "recogniser"])
    places = {name: f"/{name}" for name in spec.inputs}
    command = spec.command_line(places, {spec.output: "/out"})
    assert command == [
        "sh", f"jobs/{SCRIPT}", "/data", "/gallery", "/detector", "/recogniser", "/out", "--scale", "original",
    ]  # fmt: skip
