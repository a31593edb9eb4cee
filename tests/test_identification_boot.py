"""jobs/run_face_identification.sh: it explains itself, becomes `facejobs evaluate identification`, and is a job."""

import json
from pathlib import Path

import pytest
import yaml
from boot_script import JOBS, copy_script, run

SCRIPT = "run_face_identification.sh"
PATHS = ["gallery_path", "query_path", "detect_model_path", "recognize_model_path", "results_path"]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of the script that says what it would do."""
    return copy_script(SCRIPT, tmp_path)


@pytest.mark.parametrize("count", [0, 4])
def test_too_few_arguments_show_the_usage(script: Path, count: int) -> None:
    result = run(script, *["path"] * count)
    assert (result.returncode, f"usage: sh {SCRIPT} {' '.join(PATHS)}" in result.stderr) == (2, True)


def test_arguments_arrive_whole(script: Path) -> None:
    result = run(script, "my gallery", "query", "detector", "recogniser", "out", "--rule", "image")
    words = ["evaluate", "identification", "my gallery", "query", "detector", "recogniser", "--out", "out"]
    assert result.stdout == "".join(f"<{word}>" for word in [*words, "--rule", "image"])


def test_each_path_may_be_a_url(script: Path) -> None:
    result = run(
        script, "s3://b/gallery", "s3://b/query", "obs://b/d", "obs://b/r", "s3://b/results", "--rule", "image"
    )
    inputs, output, work, command = result.stdout.splitlines()
    assert json.loads(inputs) == {
        "gallery": "s3://b/gallery", "query": "s3://b/query", "detector": "obs://b/d", "recogniser": "obs://b/r"
    }  # fmt: skip
    assert output == "s3://b/results"
    words = ["sh", script, *(f"{work}/inputs/{name}" for name in json.loads(inputs)), f"{work}/output"]
    assert command == "".join(f"<{word}>" for word in [*words, "--rule", "image"])


def test_a_jobs_next_attempt_begins_anew_and_nobodys_folder_is_emptied(script: Path, tmp_path: Path) -> None:
    for folder in ("work/output", "results"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "metrics.jsonl").touch()
    for output in ("work/output", "results"):
        run(script, "g", "q", "d", "r", str(tmp_path / output), FACEJOBS_WORK=str(tmp_path / "work"))
    assert list((tmp_path / "work" / "output").iterdir()) == []
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_the_job_spec_names_the_paths_in_the_order_of_the_script() -> None:
    spec = yaml.safe_load((JOBS / "face-identification.yaml").read_text())
    assert spec["command"] == f"sh jobs/{SCRIPT}" and spec["parameters"] == {"rule": "mean"}
    assert [*spec["inputs"], *spec["outputs"]] == ["gallery", "query", "detector", "recogniser", "results"]
