"""jobs/run_generate_data_base.sh: it explains itself, becomes `facejobs gallery build`, and may be tried again."""

import inspect
import json
from pathlib import Path

import pytest
import yaml
from boot_script import JOBS, copy_script, run

from facejobs.cli.gallery_build import build
from facejobs.gallery.face_quality import QualityLimits

SCRIPT = "run_generate_data_base.sh"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of the script that says what it would do."""
    return copy_script(SCRIPT, tmp_path)


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_arguments_show_the_usage(script: Path, count: int) -> None:
    result = run(script, *["path"] * count)
    assert result.returncode == 2
    assert f"usage: sh {SCRIPT} data_path detect_model_path recognize_model_path db_output_path" in result.stderr


def test_arguments_arrive_whole(script: Path) -> None:
    arguments = ["my people", "detector", "recogniser", "db", "--max-blur", "0.5", "--scale=short-640"]
    assert run(script, *arguments).stdout == "".join(f"<{word}>" for word in ["gallery", "build", *arguments])


def test_each_path_may_be_a_url(script: Path) -> None:
    result = run(script, "s3://b/people", "models/d", "obs://b/recogniser", "s3://b/db", "--max-yaw", "40")
    inputs, output, work, command = result.stdout.splitlines()
    assert json.loads(inputs) == {"data": "s3://b/people", "recogniser": "obs://b/recogniser"}
    assert output == "s3://b/db"
    words = ["sh", script, f"{work}/inputs/data", "models/d", f"{work}/inputs/recogniser", f"{work}/output"]
    assert command == "".join(f"<{word}>" for word in [*words, "--max-yaw", "40"])


def test_a_jobs_next_attempt_begins_anew_and_nobodys_folder_is_emptied(script: Path, tmp_path: Path) -> None:
    for folder in ("work/output", "db"):
        (tmp_path / folder / "logs").mkdir(parents=True)
        (tmp_path / folder / ".hidden").touch()
    work = str(tmp_path / "work")
    for output in (f"{work}/output", str(tmp_path / "db")):
        assert run(script, "people", "detector", "recogniser", output, FACEJOBS_WORK=work).returncode == 0
    assert list((tmp_path / "work" / "output").iterdir()) == []
    assert len(list((tmp_path / "db").iterdir())) == 2
    (tmp_path / "work" / "output" / "mine").touch()
    run(script, "people", "detector", "recogniser", f"{work}/output")
    assert (tmp_path / "work" / "output" / "mine").exists()


def test_the_job_spec_says_the_defaults() -> None:
    spec = yaml.safe_load((JOBS / "face-gallery.yaml").read_text())
    defaults = {name: parameter.default for name, parameter in inspect.signature(build).parameters.items()}
    parameters = {name.replace("-", "_"): value for name, value in spec["parameters"].items()}
    assert parameters == {name: defaults[name] for name in parameters} and len(parameters) == 5
    assert spec["command"].endswith(SCRIPT) and list(spec["inputs"]) == ["data", "detector", "recogniser"]
    limits = QualityLimits()
    assert list(parameters.values()) == [
        limits.least_eye_distance, limits.most_blur, limits.most_yaw, limits.most_pitch, limits.least_score
    ]  # fmt: skip
