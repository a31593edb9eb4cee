"""jobs/run_face_recognition.sh: its arguments become those of `facejobs recognise`, with or without a results path."""

import re
from pathlib import Path

import pytest
from boot_script import JOBS, copy_script, run

from facejobs.jobs.spec import load_spec

SCRIPT = "run_face_recognition.sh"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of the script that says what it would do."""
    return copy_script(SCRIPT, tmp_path)


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
def test_the_results_path_may_be_left_out(script: Path, given: tuple[str, ...], results: str, options: str) -> None:
    done = run(script, "my data", "db", "d", "r", *given)
    assert done.stdout == f"<recognise><my data><db><d><r><{results}>{options}", done.stderr


@pytest.mark.parametrize("count", range(4))
def test_too_few_arguments_show_the_usage(script: Path, count: int) -> None:
    done = run(script, *"abcd"[:count])
    assert done.returncode == 2 and "data_path db_path detect_model_path recognize_model_path" in done.stderr


def test_each_path_may_be_a_url(script: Path) -> None:
    urls = [f"s3://bucket/{name}" for name in ("data", "db", "d", "r")]
    inputs, output, _, command = run(script, *urls, "obs://bucket/out", "--draw").stdout.splitlines()
    assert inputs == (
        '{"data": "s3://bucket/data", "gallery": "s3://bucket/db", "detector": "s3://bucket/d", '
        '"recogniser": "s3://bucket/r"}'
    )
    assert output == "obs://bucket/out"
    assert re.search(
        r"<(.+)/inputs/data><\1/inputs/gallery><\1/inputs/detector><\1/inputs/recogniser><\1/output><--draw>$", command
    )
    inputs, output, _, command = run(script, "data", "s3://bucket/db", "d", "r").stdout.splitlines()
    assert (inputs, output) == ('{"gallery": "s3://bucket/db"}', "none")
    assert command.endswith("<d><r><recognition-results>")


def test_another_attempt_of_a_job_begins_anew_but_nothing_else_is_removed(script: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "work" / "output", tmp_path / "mine"):
        place.mkdir(parents=True)
        (place / "results.jsonl").write_text("of before")
        assert run(script, "a", "b", "c", "d", str(place), FACEJOBS_WORK=str(tmp_path / "work")).returncode == 0
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
